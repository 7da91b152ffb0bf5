"""From what a source delivers to what the others take: mono, float32, finite, at a rate that sound has."""

from __future__ import annotations

import numpy as np

from kws.errors import AudioError
from kws.types import Float32Array

#: Bytes of one sample, by the names that ffmpeg gives the encodings.
SAMPLE_BYTES = {"u8": 1, "s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4, "f64le": 8}

#: The rates that a recording can have; a header that says anything else is damaged.
MIN_RATE, MAX_RATE = 1000, 768_000


def decode(data: bytes | memoryview, encoding: str) -> Float32Array:
    """The samples that bytes stand for.

    Integers are divided by their full scale (a 16-bit -32768 is -1.0), as libsndfile does it. Floats stay as they
    are; a double beyond the range of float32 becomes infinite.

    Args:
        data: whole samples, little-endian.
        encoding: a key of :data:`SAMPLE_BYTES`.

    Returns:
        float32 ``(len(data) // SAMPLE_BYTES[encoding],)``, which may be the data itself.
    """
    if encoding == "f32le":
        return np.frombuffer(data, "<f4").astype(np.float32, copy=False)
    if encoding == "u8":
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / np.float32(128)
    if encoding == "s24le":
        # Three bytes become the upper three of an int32, so that its sign is that of the sample.
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return decode(wide.tobytes(), "s32le")
    if encoding in ("s16le", "s32le"):
        size = SAMPLE_BYTES[encoding]
        unit = np.float32(2.0 ** (1 - 8 * size))
        scaled: Float32Array = np.multiply(np.frombuffer(data, f"<i{size}"), unit, dtype=np.float32)
        return scaled
    with np.errstate(over="ignore"):
        return np.frombuffer(data, "<f8").astype(np.float32)


def mono(frames: Float32Array, channel: int | None) -> Float32Array:
    """One channel, or the mean of all.

    Args:
        frames: float32 ``(n, channels)``.
        channel: counted from 1 (left is 1, right is 2); None for the mean.

    Returns:
        float32 ``(n,)``, contiguous.
    """
    if channel is not None:
        return np.ascontiguousarray(frames[:, channel - 1])
    if frames.shape[1] == 1:
        return frames[:, 0]
    with np.errstate(over="ignore", invalid="ignore"):  # check_finite says it better than a warning
        mean: Float32Array = frames.mean(axis=1, dtype=np.float32)
    return mean


def check_rate(rate: int, *, name: str) -> None:
    """Raise an AudioError for a rate that no recording has."""
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(f"{name}: {rate} samples a second is not a rate that sound has ({MIN_RATE} to {MAX_RATE})")


def check_finite(samples: Float32Array, position: int, rate: int, *, name: str) -> None:
    """Raise an AudioError that tells the second of the first sample that is not a number or infinite.

    Such a sample would poison every spectrum that it touches, and a recording that holds one was made by a broken
    program: which part of it is still sound is not ours to guess.
    """
    finite = np.isfinite(samples)
    if not finite.all():
        second = (position + int(np.argmin(finite))) / rate
        raise AudioError(f"{name}: the sample at {second:.3f} s is infinite or not a number")
