"""Opening a recording stream of PortAudio."""

from __future__ import annotations

import ctypes
import math
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

#: Seconds by which the resampler is late at most (measured, see its test): at the rates of most devices, and at others.
USUAL_RATES, USUAL_LATENESS, LATENESS = (22050, 44100, 48000), 0.045, 0.08


class StreamFormat(NamedTuple):
    """The sound that a stream delivers: interleaved float32.

    Attributes:
        name: the name of the device.
        device: PortAudio's number for it.
        rate: samples per second.
        channels: the channels that are open.
        frames: samples per channel in one block.
        left_out: samples per channel at the beginning that are not sent, so that every window ends with a block.
    """

    name: str
    device: int
    rate: int
    channels: int
    frames: int
    left_out: int

    @property
    def block_bytes(self) -> int:
        return 4 * self.channels * self.frames


def choose_stream(
    *, device: str | int | None, channel: int | None, rate: int | None, preferred: int, block: float
) -> StreamFormat:
    """Return the stream that these options mean.

    Args:
        device: a name or a part of one, or an index (see :func:`~kws.audio.portaudio.devices.choose`); None for the
            default.
        channel: the channel that is wanted, counted from 1; None for the mean of all.
        rate: samples per second; None for ``preferred`` if the device has it, else the device's default.
        preferred: the rate that needs no resampling.
        block: seconds in one block.

    Raises:
        AudioError: the device has none of the rates, or there is no device.
        AbsentError: no device has this name.
        UsageError: several devices have it, or the device has no such channel.
    """
    sounddevice = load_portaudio()
    found = choose(device, list_devices())
    check_channel(channel, found.channels, name=found.name)
    _unload_plugins()
    channels = channels_to_open(found, channel)
    rate = choose_rate(sounddevice, found, channels, [preferred, found.rate] if rate is None else [rate])
    frames, left_out = cut(rate, channels, block=block, late=rate != preferred)
    return StreamFormat(
        name=found.name, device=found.index, rate=rate, channels=channels, frames=frames, left_out=left_out
    )


def cut(rate: int, channels: int, *, block: float, late: bool) -> tuple[int, int]:
    """Return the frames in one block, and how many of the first to leave out.

    Blocks should end when windows are complete. If they are resampled, that is :data:`LATENESS` later; with blocks from
    the very beginning, the consumer would wait for the next one.

    Args:
        rate: samples per second.
        channels: that are open.
        block: seconds in one block; it becomes several blocks if it is too long for one message.
        late: True if the consumer resamples the blocks.
    """
    parts = math.ceil(4 * channels * rate * block / MAX_BLOCK_BYTES)
    frames = max(1, round(rate * block / parts))
    lateness = USUAL_LATENESS if rate in USUAL_RATES else LATENESS
    return frames, round(-lateness * rate) % frames if late else 0


def start_stream(chosen: StreamFormat, *, callback: Callable[..., None], finished: Callable[[], None]) -> Any:
    """Open a stream and start it.

    Args:
        chosen: see :func:`choose_stream`.
        callback: see ``sounddevice.RawInputStream``; PortAudio's thread calls it for each block.
        finished: called when the stream has ended.

    Raises:
        AudioError: the device cannot be opened.
    """
    sounddevice = load_portaudio()
    try:
        stream = sounddevice.RawInputStream(
            device=chosen.device,
            samplerate=chosen.rate,
            channels=chosen.channels,
            dtype="float32",
            blocksize=chosen.frames,
            latency="high",
            callback=callback,
            finished_callback=finished,
        )
        stream.start()
    except sounddevice.PortAudioError as error:
        raise AudioError(f"{chosen.name} cannot be opened: {_first_line(error)}") from None
    return stream


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
