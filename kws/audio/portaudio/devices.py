"""The microphones that PortAudio finds, by names that a configuration can hold.

PortAudio looks for devices once, when it is loaded.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from kws.common.names import composed
from kws.errors import AbsentError, AudioError, UsageError

NO_MICROPHONE = "there is no microphone; plug one in, and check that this user may record (group audio)"

_CARD_NUMBER = re.compile(r" \(hw:\d+,\d+\)$")


class Device(NamedTuple):
    """A microphone.

    Attributes:
        name: ``name, host API``, as a configuration takes it. It has no card number, which changes with the order in
            which devices are found, unless two devices differ in nothing else.
        system_name: PortAudio's name for it, with the card number.
        index: PortAudio's number for it, which may change with the next start.
        channels: how many it claims; a converter such as PulseAudio or ALSA's plug claims 32 or more.
        rate: its default rate in samples per second.
        is_default: True if it is heard when no device is named.
    """

    name: str
    system_name: str
    index: int  # type: ignore[assignment]  # hides tuple.index(), which no one needs
    channels: int
    rate: int
    is_default: bool

    @property
    def whole_names(self) -> set[str]:
        """The names that mean exactly this device."""
        full = {composed(self.name), composed(self.system_name)}
        return full | {name.rpartition(", ")[0] for name in full}


def list_devices() -> list[Device]:
    """Return all devices that can record, in PortAudio's order.

    Raises:
        AudioError: PortAudio is not installed.
    """
    sounddevice = load_portaudio()
    apis = [api["name"] for api in sounddevice.query_hostapis()]
    inputs = [info for info in sounddevice.query_devices() if info["max_input_channels"] > 0]
    names = stable_names([(info["name"], apis[info["hostapi"]]) for info in inputs])
    default = sounddevice.default.device["input"]
    return [
        Device(
            name=name,
            system_name=f"{info['name']}, {apis[info['hostapi']]}",
            index=info["index"],
            channels=info["max_input_channels"],
            rate=round(info["default_samplerate"]),
            is_default=info["index"] == default,
        )
        for name, info in zip(names, inputs, strict=True)
    ]


def choose(wanted: str | int | None, devices: Sequence[Device]) -> Device:
    """Return the one device that a name, a part of a name or an index means.

    Args:
        wanted: a whole name, with or without the host API; else an index; else a part of exactly one name, in any
            case. None is the default device.
        devices: all that there are.

    Raises:
        AudioError: there is no microphone at all, or no default.
        AbsentError: none fits; the message lists them.
        UsageError: several fit; the message lists them.
    """
    if not devices:
        raise AudioError(NO_MICROPHONE)
    if wanted is None:
        for device in devices:
            if device.is_default:
                return device
        raise AudioError(f"no microphone is the default; name one of {_quoted(devices)}")
    text = composed(str(wanted))
    matches = [device for device in devices if text in device.whole_names]
    if not matches and text.isdecimal():
        matches = [device for device in devices if device.index == int(text)]
    if not matches and not text.isdecimal() and text.strip():
        matches = [device for device in devices if any(text.lower() in name.lower() for name in device.whole_names)]
    if not matches:
        raise AbsentError(f'no microphone is called "{text}"; there are {_quoted(devices)}')
    if len(matches) > 1:
        raise UsageError(f'"{text}" may be any of {_quoted(matches)}; give more of the name, or the index')
    return matches[0]


def stable_names(names: Sequence[tuple[str, str]]) -> list[str]:
    """Return ``name, host API`` for each (name, host API), without the card number if it is unique without."""
    short = [f"{_CARD_NUMBER.sub('', name)}, {api}" for name, api in names]
    count = Counter(short)
    return [brief if count[brief] == 1 else f"{name}, {api}" for brief, (name, api) in zip(short, names, strict=True)]


def load_portaudio() -> Any:
    """Import python-sounddevice, which loads PortAudio and looks for devices.

    Raises:
        AudioError: PortAudio is not installed.
    """
    try:
        import sounddevice  # noqa: PLC0415
    except OSError as error:
        raise AudioError(f"microphones need PortAudio (Debian: apt install libportaudio2): {error}") from None
    return sounddevice


def _quoted(devices: Sequence[Device]) -> str:
    return ", ".join(f'"{device.name}"' for device in devices)
