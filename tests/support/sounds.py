"""Generated sound and WAV bytes."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import pairwise
from tempfile import TemporaryFile
from unittest.mock import patch

import numpy as np
import soundfile

from kws.audio.source import Source
from kws.types import AudioBlock, Float32Array

GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")


def tone(hertz: float, rate: int, seconds: float, amplitude: float = 0.5) -> Float32Array:
    """A sine, float32 ``(rate * seconds,)``."""
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def amplitude(samples: Float32Array, hertz: float, rate: int) -> float:
    """Return the amplitude of the best fitting sine of that frequency."""
    turns = 2 * np.pi * hertz * np.arange(len(samples)) / rate
    basis = np.stack((np.sin(turns), np.cos(turns)), axis=1)
    fit, *_ = np.linalg.lstsq(basis, samples.astype(np.float64), rcond=None)
    return float(np.hypot(*fit))


def joined(blocks: list[AudioBlock]) -> Float32Array:
    """Return the samples of all blocks, which must follow each other without a gap."""
    for before, after in pairwise(blocks):
        assert after.position == before.end
    assert all(block.samples.dtype == np.float32 and block.samples.ndim == 1 for block in blocks)
    return np.concatenate([np.zeros(0, np.float32), *(block.samples for block in blocks)])


def read(source: Source) -> Float32Array:
    """Return the whole sound of a source, which must begin at 0 and have no gap."""
    with source:
        blocks = list(source.blocks())
    assert blocks[0].position == 0
    return joined(blocks)


def chunk(kind: bytes, data: bytes, size: int | None = None) -> bytes:
    """Return a padded RIFF chunk whose header claims ``size`` bytes."""
    return kind + struct.pack("<I", len(data) if size is None else size) + data + b"\0" * (len(data) % 2)


def wav_format(
    *, rate: int = 16000, channels: int = 1, bits: int = 16, tag: int = 1, container: int = 0, extensible: bool = False
) -> bytes:
    """Return a ``fmt `` chunk; ``container`` is the bytes of a sample if its bits do not say so."""
    block = channels * (container or -(-bits // 8))
    if not extensible:
        return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits))
    head = struct.pack("<HHIIHHHHI", 0xFFFE, channels, rate, rate * block, block, bits, 22, bits, 0)
    return chunk(b"fmt ", head + struct.pack("<H", tag) + GUID_TAIL)


def wav(*chunks: bytes, magic: bytes = b"RIFF", size: int | None = None) -> bytes:
    """Return a WAV file of these chunks."""
    body = b"WAVE" + b"".join(chunks)
    return magic + struct.pack("<I", len(body) if size is None else size) + body


def encoded(frames: Float32Array, rate: int, *, format: str = "WAV", subtype: str | None = None) -> bytes:  # noqa: A002
    """Return the sound as a file, encoded by libsndfile."""
    file = BytesIO()
    soundfile.write(file, frames, rate, format=format, subtype=subtype)
    return file.getvalue()


def decoded(data: bytes) -> Float32Array:
    """Return a file's sound, decoded by libsndfile: float32 ``(n, channels)``."""
    frames: Float32Array = soundfile.read(BytesIO(data), dtype="float32", always_2d=True)[0]
    return frames


@contextmanager
def descriptor(data: bytes) -> Iterator[int]:
    """A descriptor from which these bytes can be read, as from a file."""
    with TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        yield file.fileno()


@contextmanager
def trickling(sizes: Callable[[], int]) -> Iterator[None]:
    """Let each read of a descriptor return as few bytes as it likes, like a pipe."""
    read_all = os.read
    with patch("os.read", lambda number, size: read_all(number, max(1, min(size, sizes())))):
        yield
