"""The header of a WAV stream, read front to back because a pipe cannot seek.

Format: Microsoft, "Multimedia Programming Interface and Data Specifications 1.0" (1991), with
``WAVE_FORMAT_EXTENSIBLE`` (2001) and the 64-bit RF64 of EBU Tech 3306.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import msgspec

from kws.errors import AudioError

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE

_ENCODINGS = {
    (PCM, 1): "u8",
    (PCM, 2): "s16le",
    (PCM, 3): "s24le",
    (PCM, 4): "s32le",
    (FLOAT, 4): "f32le",
    (FLOAT, 8): "f64le",
}

#: Compressed formats that a user may meet, by their format tag.
_COMPRESSED = {
    0x02: "MS ADPCM", 0x06: "A-law", 0x07: "mu-law", 0x11: "IMA ADPCM", 0x31: "GSM 6.10", 0x50: "MPEG", 0x55: "MP3",
}  # fmt: skip

#: The last 14 bytes of every GUID in WAVE_FORMAT_EXTENSIBLE whose first two are an ordinary format tag.
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")

#: A program that writes to a pipe does not know the length. It writes 0 or nearly the largest value: 0xFFFFFFFF
#: (ffmpeg), 0x7FFFF000 (SoX), 0x7FFFFF00 or 0x80000000 (arecord). We expect no real data of that length.
_UNKNOWN_LENGTH = 0x7FFF0000


class WavHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The facts in the header of a WAV stream.

    Attributes:
        rate: samples per second.
        channels: interleaved channels.
        format_tag: 1 for integers, 3 for floats.
        sample_bytes: bytes per sample.
        data_start: bytes before the sound.
        data_bytes: bytes of sound; None if the writer did not know, and the sound goes on to the end.
    """

    rate: int
    channels: int
    format_tag: int
    sample_bytes: int
    data_start: int
    data_bytes: int | None

    @property
    def encoding(self) -> str | None:
        """The name in :data:`kws.audio.samples.SAMPLE_BYTES`; None for a compressed format."""
        return _ENCODINGS.get((self.format_tag, self.sample_bytes))

    @property
    def format_name(self) -> str:
        """The encoding of the samples, as users call it."""
        if self.format_tag in {PCM, FLOAT}:
            return f"{8 * self.sample_bytes}-bit {'PCM' if self.format_tag == PCM else 'float'}"
        return _COMPRESSED.get(self.format_tag, f"of format {self.format_tag:#06x}")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of each channel."""
        return self.channels * self.sample_bytes


def is_wav(head: bytes) -> bool:
    """Return True if a stream that begins with these 12 bytes is WAV."""
    return head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE"


def read_header(read: Callable[[int], bytes], *, name: str) -> WavHeader:
    """Read the header, up to the first byte of sound.

    Args:
        read: returns that many bytes, fewer only at the end of the stream.
        name: the name of the stream in errors.

    Raises:
        AudioError: the stream is not WAV, or its header is cut short or makes no sense.
    """
    if not is_wav(read(12)):
        raise AudioError(f"{name} is not WAV")
    position = 12
    form: tuple[int, int, int, int] | None = None
    while True:
        head = read(8)
        if len(head) < 8:
            raise AudioError(f"{name}: the WAV ends before the sound begins")
        kind, size = struct.unpack("<4sI", head)
        position += 8
        if kind == b"data":
            if form is None:
                raise AudioError(f"{name}: the WAV does not say its format before the sound begins")
            rate, channels, tag, sample_bytes = form
            return WavHeader(
                rate=rate,
                channels=channels,
                format_tag=tag,
                sample_bytes=sample_bytes,
                data_start=position,
                data_bytes=size if 0 < size < _UNKNOWN_LENGTH else None,
            )
        padded = size + size % 2
        if kind == b"fmt ":
            form = _read_format(read(min(padded, 1024)), name=name)
            _skip(read, padded - 1024)
        else:
            _skip(read, padded)
        position += padded


def _read_format(chunk: bytes, *, name: str) -> tuple[int, int, int, int]:
    """Return the rate, the channels, the format tag and the bytes per sample."""
    if len(chunk) < 16:
        raise AudioError(f"{name}: the WAV ends before the sound begins")
    tag, channels, rate, _, block_align, bits = struct.unpack("<HHIIHH", chunk[:16])
    if tag == EXTENSIBLE and len(chunk) >= 40 and chunk[26:40] == _GUID_TAIL:
        (tag,) = struct.unpack("<H", chunk[24:26])
    # 12 or 20 bits are left-justified in whole bytes; block_align gives their number.
    sample_bytes = block_align // channels if channels else 0
    if tag in (PCM, FLOAT) and (not sample_bytes or block_align % channels or bits > 8 * sample_bytes):
        raise AudioError(f"{name}: a WAV of {channels} channels with {bits} bits in {block_align} bytes makes no sense")
    return rate, channels, tag, sample_bytes


def _skip(read: Callable[[int], bytes], size: int) -> None:
    while size > 0 and (data := read(min(size, 65536))):
        size -= len(data)
