"""The microphones that PortAudio finds, by names that a configuration can hold.

PortAudio looks for devices once, when it starts; a microphone that is plugged in later is found after
:func:`refresh_devices`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from weakref import WeakSet

from kws.errors import AudioError, UsageError

#: Whatever has a PortAudio stream open: restarting the library would pull it from under them.
open_streams: WeakSet[object] = WeakSet()

_CARD_NUMBER = re.compile(r" \(hw:\d+,\d+\)$")


class AbsentError(UsageError):
    """A microphone of this name is not there: it is called otherwise, or not plugged in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A microphone.

    Attributes:
        name: ``name, host API`` as a configuration takes it. It has no card number, which changes with the order in
            which devices are found, unless two devices cannot be told apart without.
        system_name: the name that PortAudio has for it, card number included.
        index: PortAudio's number for it; another one tomorrow.
        channels: how many it claims; a converter such as PulseAudio or ALSA's plug claims 32 or more.
        rate: its default rate in samples a second.
        is_default: whether it is heard when none is named.
    """

    name: str
    system_name: str
    index: int
    channels: int
    rate: int
    is_default: bool


def list_devices() -> list[Device]:
    """All devices that sound can be recorded from, in PortAudio's order.

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


def find_device(wanted: str | int | None) -> Device:
    """The device that a user means, see :func:`choose`."""
    return choose(wanted, list_devices())


def choose(wanted: str | int | None, devices: Sequence[Device]) -> Device:
    """The one device that a name, a part of a name or an index means.

    Args:
        wanted: a whole name, with or without the host API; else an index; else a part of exactly one name, in
            capitals or not. None is the default device.
        devices: what there is.

    Raises:
        AudioError: there is no microphone at all, or no default.
        AbsentError: none fits; the message lists them.
        UsageError: several fit; the message lists them.
    """
    if not devices:
        raise AudioError("no microphone is there; plug one in, and see that this user may record (group audio)")
    if wanted is None:
        for device in devices:
            if device.is_default:
                return device
        raise AudioError(f"no microphone is the default; name one of {_quoted(devices)}")
    text = str(wanted)
    matches = [device for device in devices if text in _whole_names(device)]
    if not matches and text.isdecimal():
        matches = [device for device in devices if device.index == int(text)]
    if not matches and not text.isdecimal() and text.strip():
        matches = [device for device in devices if any(text.lower() in name.lower() for name in _whole_names(device))]
    if not matches:
        raise AbsentError(f'no microphone is called "{text}"; there are {_quoted(devices)}')
    if len(matches) > 1:
        raise UsageError(f'"{text}" may be any of {_quoted(matches)}; give more of the name, or the index')
    return matches[0]


def refresh_devices() -> None:
    """Let PortAudio look for devices again, for a microphone that came or went since.

    Raises:
        AudioError: a stream is open; PortAudio restarts only when none is.
    """
    sounddevice = load_portaudio()
    if open_streams:
        raise AudioError("PortAudio cannot look for microphones while one is open")
    # The library has no other way; python-sounddevice keeps these two for this purpose.
    sounddevice._terminate()  # noqa: SLF001
    sounddevice._initialize()  # noqa: SLF001


def stable_names(names: Sequence[tuple[str, str]]) -> list[str]:
    """``name, host API`` for each (name, host API), without the card number where that leaves it unique."""
    short = [f"{_CARD_NUMBER.sub('', name)}, {api}" for name, api in names]
    count = Counter(short)
    return [brief if count[brief] == 1 else f"{name}, {api}" for brief, (name, api) in zip(short, names, strict=True)]


def load_portaudio() -> ModuleType:
    """python-sounddevice, imported when it is needed: that loads PortAudio and looks for devices.

    Raises:
        AudioError: the library is not there.
    """
    try:
        import sounddevice  # noqa: PLC0415
    except OSError as error:
        raise AudioError(f"microphones need PortAudio (Debian: apt install libportaudio2): {error}") from None
    module: ModuleType = sounddevice
    return module


def _whole_names(device: Device) -> set[str]:
    full = {device.name, device.system_name}
    return full | {name.rpartition(", ")[0] for name in full}


def _quoted(devices: Sequence[Device]) -> str:
    return ", ".join(f'"{device.name}"' for device in devices)
