"""Opening a recording stream of PortAudio."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from kws.audio.channels import check_channel
from kws.audio.portaudio.devices import Device, choose, list_devices, load_portaudio
from kws.errors import AudioError

#: A device that claims more channels than this is a converter (PulseAudio, ALSA's plug), which mixes and splits
#: channels itself.
MAX_REAL_CHANNELS = 8

#: The longest block in bytes: one message to another process.
MAX_BLOCK_BYTES = 131_072


class StreamFormat(NamedTuple):
    """The sound that a stream delivers: interleaved float32.

    Attributes:
        name: the name of the device.
        rate: samples per second.
        channels: the channels that are open.
        frames: samples per channel in one block.
    """

    name: str
    rate: int
    channels: int
    frames: int

    @property
    def block_bytes(self) -> int:
        return 4 * self.channels * self.frames


def open_stream(
    *,
    device: str | int | None,
    channel: int | None,
    rate: int | None,
    preferred: int,
    block: float,
    callback: Callable[..., None],
    finished: Callable[[], None],
) -> tuple[Any, StreamFormat]:
    """Open a device for recording and start it.

    Args:
        device: a name or a part of one, or an index (see :func:`~kws.audio.portaudio.devices.choose`); None for the
            default.
        channel: the channel that is wanted, counted from 1; None for the mean of all.
        rate: samples per second; None for ``preferred`` if the device has it, else the device's default.
        preferred: the rate that needs no resampling.
        block: seconds in one block. At another rate than ``preferred`` a block is half as long: the resampler holds
            back some hundredths of a second, and the consumer would wait for two whole blocks.
        callback: see ``sounddevice.RawInputStream``; PortAudio's thread calls it for each block.
        finished: called when the stream has ended.

    Raises:
        AudioError: the device cannot be opened, or there is none.
        AbsentError: no device has this name.
        UsageError: several devices have it, or the device has no such channel.
    """
    sounddevice = load_portaudio()
    found = choose(device, list_devices())
    check_channel(channel, found.channels, name=found.name)
    _unload_plugins()
    channels = channels_to_open(found, channel)
    rate = choose_rate(sounddevice, found, channels, [preferred, found.rate] if rate is None else [rate])
    frames = round(rate * (block if rate == preferred else block / 2))
    opened = StreamFormat(
        name=found.name, rate=rate, channels=channels, frames=min(frames, MAX_BLOCK_BYTES // (4 * channels))
    )
    try:
        stream = sounddevice.RawInputStream(
            device=found.index,
            samplerate=rate,
            channels=channels,
            dtype="float32",
            blocksize=opened.frames,
            latency="high",
            callback=callback,
            finished_callback=finished,
        )
        stream.start()
    except sounddevice.PortAudioError as error:
        raise AudioError(f"{found.name} cannot be opened: {_first_line(error)}") from None
    return stream, opened


def choose_rate(sounddevice: Any, device: Device, channels: int, rates: list[int]) -> int:
    """Return the first of these rates that the device has.

    Raises:
        AudioError: it has none of them.
    """
    refusal = None
    for rate in rates:
        try:
            sounddevice.check_input_settings(device=device.index, channels=channels, dtype="float32", samplerate=rate)
        except sounddevice.PortAudioError as error:
            refusal = error
        else:
            return rate
    tried = " or ".join(str(rate) for rate in dict.fromkeys(rates))
    raise AudioError(f"{device.name} cannot be opened at {tried} samples per second: {_first_line(refusal)}")


def channels_to_open(device: Device, channel: int | None) -> int:
    """Return how many channels to open: all of a real device, but of a converter two, or as many as needed.

    A converter that is asked for a single channel delivers a mix, in which channels may have cancelled each other.
    """
    return device.channels if device.channels <= MAX_REAL_CHANNELS else max(2, channel or 0)


def _unload_plugins() -> None:
    """Unload all plug-ins that PortAudio's search for devices has loaded; ALSA loads those that it needs again.

    Debian's plug-ins bring many libraries, FFmpeg's codecs among them: 11 MB.
    """
    with suppress(OSError):
        ctypes.CDLL("libasound.so.2").snd_config_update_free_global()


def _first_line(error: Exception | None) -> str:
    return str(error).partition("\n")[0]
