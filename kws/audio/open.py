"""Where sound comes from: a microphone, a file or a pipe."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

from kws.audio.file import FileSource
from kws.audio.pipe import PipeSource
from kws.audio.source import Source
from kws.errors import AudioError, UsageError


def open_source(
    audio: str | None = None,
    *,
    device: str | int | None = None,
    channel: int | None = None,
    rate: int | None = None,
    channels: int | None = None,
    sample_format: str | None = None,
    hop: float = 0.1,
) -> Source:
    """The source that a command line names, to be opened by ``with``.

    Args:
        audio: None for the microphone, ``-`` for standard input, else a path. A path to a FIFO is read as standard
            input is, and so is a headerless file, which is what ``rate`` makes of it.
        device: the microphone, by name or index; None for the default.
        channel: the channel to hear, counted from 1; None hears the mean of all.
        rate: samples a second of headerless sound, or those that the microphone is asked for.
        channels: interleaved channels of headerless sound.
        sample_format: one of :data:`kws.audio.pipe.SAMPLE_FORMATS`, of headerless sound.
        hop: seconds between the windows that are made of it, so that a microphone's blocks end as they do.

    Raises:
        UsageError: options that do not go together or cannot be.
    """
    if audio is None:
        if channels is not None or sample_format is not None:
            raise UsageError(
                "--channels and --sample-format describe headerless sound, not a microphone; use --channel"
            )
        from kws.audio.microphone import Microphone  # noqa: PLC0415

        return Microphone(device, channel=channel, rate=rate, hop=hop)
    if device is not None:
        raise UsageError(f"--device names a microphone, but the sound comes from {audio}; leave out one of them")
    if audio == "-":
        if sys.stdin is None:
            raise AudioError("there is no standard input")
        return PipeSource(sys.stdin.buffer, channel=channel, rate=rate, channels=channels, sample_format=sample_format)
    path = Path(audio)
    headerless = rate is not None or channels is not None or sample_format is not None
    if headerless or _is_stream(path):
        return PipeSource(path, channel=channel, rate=rate, channels=channels, sample_format=sample_format, name=audio)
    return FileSource(path, channel=channel)


def _is_stream(path: Path) -> bool:
    """Whether this is a FIFO (``<(command)`` of a shell is one), a terminal or the like."""
    try:
        mode = path.stat().st_mode
    except OSError:  # FileSource says it in full
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)
