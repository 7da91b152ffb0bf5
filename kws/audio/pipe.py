"""Sound on a pipe: WAV or headerless PCM, handed on as it arrives."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

from kws.audio.channels import check_channel
from kws.audio.samples import MAX_RATE, MIN_RATE, SAMPLE_BYTES, check_finite, check_rate, decode, mono
from kws.audio.source import Source
from kws.audio.wav import is_wav, read_header
from kws.errors import AudioError, UsageError
from kws.types import AudioBlock

log = logging.getLogger(__name__)

#: The encodings of headerless sound that a user can name.
SAMPLE_FORMATS = ("s16le", "s32le", "f32le")

_READ = 16384  # bytes at most: half a second of 16 kHz, 16 bits
_OTHERS = {b"fLaC": "FLAC", b"OggS": "Ogg", b"RIFX": "big-endian WAV", b".snd": "AU", b"FORM": "AIFF"}


class PipeSource(Source):
    """Sound from standard input or another stream that cannot seek, mono, at the rate that it has.

    A stream that begins as WAV is read as WAV; its length may be missing from the header, as it is when a recorder
    writes to a pipe. Headerless PCM needs a rate. Each block is what one read returned, so a live recorder is heard
    without delay.

    :attr:`live` is True for a pipe: a recorder may be at its other end, so a consumer takes each block as it comes and
    waits for no further one before it decides. Nothing is lost if it is slow, for the writer then waits. It is False
    where the stream is a file on disk (``kws listen - < FILE``).

    Args:
        stream: an open binary stream, which stays open, or the path of one to open (a FIFO, a headerless file).
        rate: samples a second of headerless PCM; None for WAV.
        channels: interleaved channels of headerless PCM, one if None.
        sample_format: one of :data:`SAMPLE_FORMATS`, ``s16le`` if None.
        channel: the channel to hear, counted from 1; None hears the mean of all.
        name: what a person calls the stream.
    """

    def __init__(
        self,
        stream: IO[bytes] | Path,
        *,
        rate: int | None = None,
        channels: int | None = None,
        sample_format: str | None = None,
        channel: int | None = None,
        name: str = "standard input",
    ) -> None:
        if sample_format is not None and sample_format not in SAMPLE_FORMATS:
            raise UsageError(f"sample format {sample_format!r} is not one of {', '.join(SAMPLE_FORMATS)}")
        if channels is not None and not 1 <= channels <= 1024:
            raise UsageError(f"{channels} channels: there must be 1 to 1024")
        if rate is None and (channels is not None or sample_format is not None):
            raise UsageError("headerless sound needs its rate: add --rate HZ")
        if rate is not None and not MIN_RATE <= rate <= MAX_RATE:
            raise UsageError(f"rate {rate}: sound has {MIN_RATE} to {MAX_RATE} samples a second")
        check_channel(channel, channels or (1 if rate else None), name=name)
        self._given = stream
        self._stream: IO[bytes] | None = None
        self._raw = rate is not None
        self._channels = channels or 1
        self._encoding = sample_format or "s16le"
        self._channel = channel
        self._pending = b""
        self._data_bytes: int | None = None
        self._interrupted = False
        self.name = name
        self.rate = rate or 0
        self.live = True

    def __enter__(self) -> Self:
        try:
            self._stream = self._given.open("rb", buffering=0) if isinstance(self._given, Path) else self._given
            self._open(self._stream)
        except BaseException as error:
            self.close()
            if isinstance(error, OSError):
                raise AudioError(f"cannot read {self.name}: {error.strerror or error}") from None
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def interrupt(self) -> None:
        """End :meth:`blocks` once the stream delivers something, or ends."""
        self._interrupted = True

    def close(self) -> None:
        """Close the stream if it was opened here; a second time does nothing."""
        if self._stream is not None and self._stream is not self._given:
            self._stream.close()

    def _open(self, stream: IO[bytes]) -> None:
        if stream.isatty():
            raise UsageError(
                f"{self.name} is a terminal; pipe sound into it: arecord -f S16_LE -r 16000 | kws listen -"
            )
        self.live = not _is_file(stream)
        head = self._exactly(12)
        if not head:
            raise AudioError(f"{self.name} ended before any sound came")
        self._pending = head
        kind = "WAV" if is_wav(head) else _OTHERS.get(head[:4])
        if self._raw:
            if kind is not None:
                raise UsageError(
                    f"{self.name} is {kind}, not headerless: leave out --rate, --channels, --sample-format"
                )
        elif kind == "WAV":
            self._open_wav()
        elif kind is not None:
            raise AudioError(
                f"{self.name} is {kind}, which a pipe cannot carry here: give the file's name, or pipe WAV"
            )
        else:
            raise UsageError(
                f"{self.name} is not WAV; for headerless sound add --rate HZ "
                f"[--channels N] [--sample-format {'|'.join(SAMPLE_FORMATS)}]"
            )

    def _open_wav(self) -> None:
        header = read_header(self._exactly, name=self.name)
        if header.encoding is None:
            raise AudioError(
                f"{self.name}: WAV format {header.format_tag:#06x} with {8 * header.sample_bytes} bits cannot be read; "
                "pipe 16-bit PCM"
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
        floats = self._encoding.startswith("f")  # an integer is always finite
        position = 0
        partial = b""
        while data := self._sound():
            data = partial + data
            partial = data[len(data) - len(data) % frame :]
            frames = decode(data[: len(data) - len(partial)], self._encoding).reshape(-1, self._channels)
            if len(frames):
                samples = mono(frames, self._channel)
                if floats:
                    check_finite(samples, position, self.rate, name=self.name)
                yield AudioBlock(samples, position)
                position += len(samples)
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
        """The next bytes of sound, as many as are there; none at the end."""
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
        """As many bytes as are asked for, fewer only at the end."""
        data = b""
        while len(data) < size and (more := self._read(size - len(data))):
            data += more
        return data

    def _read(self, size: int) -> bytes:
        """Up to ``size`` bytes as soon as there are any; none at the end."""
        if self._pending and size:
            data, self._pending = self._pending[:size], self._pending[size:]
            return data
        if self._stream is None or self._interrupted:
            return b""
        try:
            # A buffered reader's read() would wait until it has all; its read1() and a raw read() do not.
            return getattr(self._stream, "read1", self._stream.read)(size) if size else b""
        except OSError as error:
            raise AudioError(f"cannot read {self.name}: {error.strerror or error}") from None


def _is_file(stream: IO[bytes]) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:  # a stream in memory has no descriptor
        return False
