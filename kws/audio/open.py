"""Choosing a source: a microphone, a file, a pipe, a satellite or a URL."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

from kws.audio.file import FileSource
from kws.audio.pipe import PipeSource
from kws.audio.source import Source
from kws.audio.url import is_url, without_login
from kws.errors import AudioError, OptionError


def open_source(
    audio: str | None = None,
    *,
    wyoming: str | None = None,
    device: str | int | None = None,
    channel: int | None = None,
    rate: int | None = None,
    channels: int | None = None,
    sample_format: str | None = None,
    timeout: float = 2.0,
    buffer: float = 5.0,
    hop: float = 0.1,
    ends: bool = True,
) -> Source:
    """Return the source that a user names; ``with`` opens it.

    Args:
        audio: None for the microphone, ``-`` for standard input, a URL, else a path. A FIFO is read like standard
            input, and so is a headerless file, which is any file for which ``rate`` is given.
        wyoming: a satellite whose microphone to hear, ``tcp://HOST:PORT``.
        device: the microphone, by name or index; None for the default.
        channel: the channel to hear, counted from 1; None for the mean of all.
        rate: samples per second of headerless sound, or of the microphone.
        channels: interleaved channels of headerless sound.
        sample_format: of headerless sound, one of :data:`kws.audio.pipe.SAMPLE_FORMATS`.
        timeout: seconds without sound after which a microphone gives up.
        buffer: seconds of a microphone's sound that wait for a slow reader.
        hop: seconds between the windows made of the sound; a microphone's blocks end with them.
        ends: False if the end of a URL's sound is an error.

    Raises:
        OptionError: a value is not possible, or two options exclude each other.
    """
    headerless = {"rate": rate, "channels": channels, "sample_format": sample_format}
    if wyoming is not None:
        _refuse(f"does not go with wyoming, the sound of {wyoming}", input=audio, device=device, **headerless)
        from kws.audio.wyoming import WyomingSource  # noqa: PLC0415

        return WyomingSource(wyoming, channel=channel, timeout=timeout, buffer=buffer)
    if audio is None:
        _refuse("describes headerless sound, not a microphone; choose one channel by channel",
                channels=channels, sample_format=sample_format)  # fmt: skip
        from kws.audio.microphone import Microphone  # noqa: PLC0415

        return Microphone(device, channel=channel, rate=rate, timeout=timeout, buffer=buffer, hop=hop)
    if device is not None:
        problem = f"names a microphone, but the sound comes from {without_login(audio)}; leave out one of them"
        raise OptionError("device", problem)
    if is_url(audio):
        _refuse("describes headerless sound; ffmpeg knows the format of a URL", **headerless)
        from kws.audio.ffmpeg import UrlSource  # noqa: PLC0415

        return UrlSource(audio, channel=channel, timeout=timeout, buffer=buffer, ends=ends)
    if audio == "-":
        if sys.stdin is None:
            raise AudioError("there is no standard input")
        stream, name = sys.stdin.fileno(), "standard input"
    else:
        path = Path(audio)
        if rate is None and channels is None and sample_format is None and not _is_stream(path):
            return FileSource(path, channel=channel)
        stream, name = path, audio
    return PipeSource(stream, channel=channel, rate=rate, channels=channels, sample_format=sample_format, name=name)


def _refuse(problem: str, **options: object) -> None:
    """Raise an OptionError for the first option that is given."""
    for field, value in options.items():
        if value is not None:
            raise OptionError(field, problem)


def _is_stream(path: Path) -> bool:
    """Return True for a FIFO (``<(command)`` of a shell is one), a terminal and the like."""
    try:
        mode = path.stat().st_mode
    except OSError:  # FileSource raises it with its name
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)
