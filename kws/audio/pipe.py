"""Sound on a pipe: WAV or headerless PCM, passed on as it arrives."""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Self

from kws.audio.channels import check_channel
from kws.audio.samples import (
    MAX_RATE,
    MIN_RATE,
    SAMPLE_BYTES,
    Downmix,
    check_rate,
    decode,
)
from kws.audio.source import Source, opening
from kws.audio.waiting import readable
from kws.audio.wav import is_wav, read_header
from kws.errors import AudioError, OptionError, UsageError
from kws.types import AudioBlock

log = logging.getLogger(__name__)

#: The encodings of headerless sound that a user can name.
SAMPLE_FORMATS = ("s16le", "s32le", "f32le")

_READ = 16384  # bytes at most: half a second of 16 kHz, 16 bits
_OTHERS = {b"fLaC": "FLAC", b"OggS": "Ogg", b"RIFX": "big-endian WAV", b".snd": "AU", b"FORM": "AIFF"}


class PipeSource(Source):
    """Sound from standard input or another stream that cannot seek, mono, at the stream's own rate.

    A stream that begins as WAV is read as WAV; its header may lack the length, as it does when a recorder writes to a
    pipe. Headerless PCM needs a rate. Each block is what one read returned, so a live recorder is heard without delay.

    :attr:`live` is True for a pipe, because a recorder may be at its other end. No sound is lost if the reader is slow:
    the writer then waits. It is False if the stream is a file on disk (``kws listen - < FILE``).

    Args:
        stream: an open file descriptor, which stays open, or the path of a FIFO or a headerless file.
        rate: samples per second of headerless PCM; None for WAV.
        channels: interleaved channels of headerless PCM; None for one.
        sample_format: one of :data:`SAMPLE_FORMATS`; None for ``s16le``.
        channel: the channel to hear, counted from 1; None for the mean of all.
        name: what a user calls the stream.
    """

    def __init__(
        self,
        stream: int | Path,
        *,
        rate: int | None = None,
        channels: int | None = None,
        sample_format: str | None = None,
        channel: int | None = None,
        name: str = "standard input",
    ) -> None:
        if sample_format is not None and sample_format not in SAMPLE_FORMATS:
            raise OptionError("sample_format", f"{sample_format!r} is not one of {', '.join(SAMPLE_FORMATS)}")
        if channels is not None and not 1 <= channels <= 1024:
            raise OptionError("channels", f"{channels}: must be from 1 to 1024")
        if rate is None and (channels is not None or sample_format is not None):
            raise OptionError("rate", "is missing; headerless sound needs its samples per second")
        if rate is not None and not MIN_RATE <= rate <= MAX_RATE:
            raise OptionError("rate", f"{rate}: must be from {MIN_RATE} to {MAX_RATE} samples per second")
        check_channel(channel, channels or (1 if rate else None), name=name)
        self._stream = stream
        self._raw = rate is not None
        self._channels = channels or 1
        self._encoding = sample_format or "s16le"
        self._channel = channel
        self._pending = b""
        self._data_bytes: int | None = None
        self._descriptor = -1
        self._interrupted = False
        self._wake: tuple[FileIO, FileIO] | None = None
        self._closing = threading.Lock()
        self.name = name
        self.rate = rate or 0
        self.live = not _is_regular(stream)

    def __enter__(self) -> Self:
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._wake = FileIO(reader), FileIO(writer, "w")
        with opening(self):
            # Opening a FIFO would wait for a writer, and no interrupt could end that.
            self._descriptor = (
                self._stream if isinstance(self._stream, int) else os.open(self._stream, os.O_RDONLY | os.O_NONBLOCK)
            )
            self._open()
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor not in {self._stream, -1}:
            os.close(self._descriptor)
        self._descriptor = -1
        with self._closing:
            for end in self._wake or ():
                end.close()

    def interrupt(self) -> None:
        self._interrupted = True
        if self._wake:
            # A descriptor that was closed meanwhile may be another file's already.
            with self._closing, suppress(ValueError):  # closed
                self._wake[1].write(b".")

    def _open(self) -> None:
        if os.isatty(self._descriptor):
            raise UsageError(
                f"{self.name} is a terminal; pipe sound into it: arecord -f S16_LE -r 16000 | kws listen -"
            )
        head = self._exactly(12)
        if not head:
            raise AudioError(f"{self.name} ended before any sound came")
        self._pending = head
        kind = "WAV" if is_wav(head) else _OTHERS.get(head[:4])
        if self._raw:
            if kind is not None:
                raise OptionError(
                    "rate", f"{self.name} is {kind}, not headerless; leave out rate, channels and sample_format"
                )
        elif kind == "WAV":
            self._open_wav()
        elif kind is not None:
            raise AudioError(f"{self.name} is {kind}, which cannot be piped; give the name of the file, or pipe WAV")
        else:
            raise OptionError(
                "rate", f"is missing; {self.name} is not WAV, and headerless sound needs its samples per second"
            )

    def _open_wav(self) -> None:
        header = read_header(self._exactly, name=self.name)
        if header.encoding is None:
            raise AudioError(
                f"{self.name} is WAV {header.format_name}, which cannot be piped; give the name of the file, or pipe "
                "16-bit PCM"
            )
        check_rate(header.rate, name=self.name)
        check_channel(self._channel, header.channels, name=self.name)
        self.rate, self._channels, self._encoding = header.rate, header.channels, header.encoding
        self._data_bytes = header.data_bytes
        if header.data_bytes is not None:
            self.length = header.data_bytes // header.frame_bytes / header.rate

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield the sound as it arrives, in whole frames, until the stream or the WAV in it ends.

        Raises:
            AudioError: the stream broke, held no sound at all, or holds a sample that is infinite or not a number.
        """
        frame = self._channels * SAMPLE_BYTES[self._encoding]
        downmix = Downmix(self._channel, self.rate, name=self.name, floats=self._encoding.startswith("f"))
        position = 0
        partial = b""
        while data := self._sound():
            data = partial + data
            partial = data[len(data) - len(data) % frame :]
            frames = decode(data[: len(data) - len(partial)], self._encoding).reshape(-1, self._channels)
            if len(frames):
                yield AudioBlock(downmix.mix(frames, position), position)
                position += len(frames)
        downmix.end()
        if self._interrupted:
            return
        if position == 0:
            raise AudioError(f"{self.name} ended before any sound came")
        if partial:
            log.warning("%s ended within a frame: its last %d bytes were dropped", self.name, len(partial))
        if self._data_bytes:
            log.warning(
                "%s is cut short: it ended after %.2f s of %.2f s", self.name, position / self.rate, self.length
            )
        elif self._data_bytes == 0:
            self._drain()

    def _sound(self) -> bytes:
        """Return the next bytes of sound, as many as are there; none at the end."""
        if self._data_bytes is None:
            return self._read(_READ)
        data = self._read(min(_READ, self._data_bytes))
        self._data_bytes -= len(data)
        return data

    def _drain(self) -> None:
        """Read what follows the sound, so that the writer does not die of a closed pipe."""
        rest = self._read(_READ)
        if is_wav(rest):
            log.warning("%s: a second WAV follows the first and is not heard", self.name)
        while rest:
            rest = self._read(_READ)

    def _exactly(self, size: int) -> bytes:
        """Return ``size`` bytes, fewer only at the end."""
        data = b""
        while len(data) < size and (more := self._read(size - len(data))):
            data += more
        return data

    def _read(self, size: int) -> bytes:
        """Return up to ``size`` bytes as soon as there are any; none at the end or after an interrupt."""
        if self._pending and size:
            data, self._pending = self._pending[:size], self._pending[size:]
            return data
        assert self._wake
        while size and not self._interrupted:
            # A read could not be interrupted, so wait first.
            if self._descriptor not in readable(self._descriptor, self._wake[0].fileno(), timeout=None):
                continue
            try:
                return os.read(self._descriptor, size)
            except BlockingIOError:  # another process reads the same pipe
                continue
            except OSError as error:
                raise AudioError(f"cannot read {self.name}: {error.strerror or error}") from None
        return b""


def _is_regular(stream: int | Path) -> bool:
    try:
        return stat.S_ISREG(os.stat(stream).st_mode)  # noqa: PTH116 - a descriptor has no path
    except OSError:  # opening it raises the error with its name
        return False
