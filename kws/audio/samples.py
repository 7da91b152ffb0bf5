"""Decoding samples, and making them mono, float32 and finite."""

from __future__ import annotations

import logging

import numpy as np

from kws.errors import AudioError
from kws.types import Float32Array

log = logging.getLogger(__name__)

#: Bytes per sample, by ffmpeg's names of the encodings.
SAMPLE_BYTES = {"u8": 1, "s16le": 2, "s24le": 3, "s32le": 4, "f32le": 4, "f64le": 8}

#: The largest float sample that we accept. Full scale is 1.0, but some programs write integers as floats. The squares
#: of much larger values leave the range of float32.
LARGEST = 1e12

#: Channels cancel each other if their mix has less than this share of their mean power (20 dB). Channels that have
#: nothing in common reach one divided by their number.
_CANCELLED = 0.01

#: Mean power below which it does not matter that channels cancel each other: -60 dB re full scale.
_QUIET = 1e-6

#: Seconds of sound after which what was found about its channels counts half.
_MEMORY_SECONDS = 10

#: The rates that a recording can have; a header that says anything else is damaged.
MIN_RATE, MAX_RATE = 1000, 768_000


def decode(data: bytes | memoryview, encoding: str) -> Float32Array:
    """Return the samples in ``data``.

    Integers are divided by their full scale (a 16-bit -32768 is -1.0), as libsndfile does. Floats stay as they are; a
    double beyond the range of float32 becomes infinite.

    Args:
        data: whole samples, little-endian.
        encoding: a key of :data:`SAMPLE_BYTES`.

    Returns:
        float32 ``(len(data) // SAMPLE_BYTES[encoding],)``; it may share the memory of ``data``.
    """
    if encoding == "f32le":
        return np.frombuffer(data, "<f4").astype(np.float32, copy=False)
    if encoding == "u8":
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / np.float32(128)
    if encoding == "s24le":
        # The three bytes become the upper three of an int32, which keeps the sign.
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
    """Return one channel, or the mean of all.

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
    with np.errstate(over="ignore", invalid="ignore"):  # check_finite gives a better message
        # Whole columns: NumPy's mean over so short an axis takes 15 times as long.
        total: Float32Array = frames[:, 0] + frames[:, 1]
        for column in range(2, frames.shape[1]):
            total += frames[:, column]
        total /= frames.shape[1]
    return total


class Downmix:
    """Makes the channels of a recording mono, block by block, and checks them.

    It warns once if the channels have cancelled each other in their mix, as two of opposite polarity do: from the first
    second of sound on, or at the end of a shorter recording. Their own noise does not cancel, so that may first show
    when somebody speaks.

    Args:
        channel: counted from 1; None for the mean of all.
        rate: samples per second.
        name: the name of the source in errors and warnings.
        floats: True if its samples may be infinite or not a number; an integer is always finite.
    """

    def __init__(self, channel: int | None, rate: int, *, name: str, floats: bool) -> None:
        self._channel = channel
        self._rate = rate
        self._name = name
        self._floats = floats
        self._samples = 0  # that were loud enough to say something
        self._power = self._mixed = 0.0  # of the channels, and of their mix
        self._watched = channel is None

    def mix(self, frames: Float32Array, position: int) -> Float32Array:
        """Return the mono samples, float32 ``(n,)``, of frames ``(n, channels)`` that begin at a position.

        Raises:
            AudioError: see :func:`check_finite`.
        """
        samples = mono(frames, self._channel)
        if self._floats:
            check_finite(samples, position, self._rate, name=self._name)
        channels = frames.shape[1]
        if self._watched and channels > 1:
            power = float(np.vdot(frames, frames)) / channels
            if power >= _QUIET * len(frames):
                self._samples += len(frames)
                self._power += power
                self._mixed += float(np.vdot(samples, samples))
                if self._samples >= self._rate:
                    self.end()
                if self._samples >= _MEMORY_SECONDS * self._rate:
                    self._samples, self._power, self._mixed = self._samples // 2, self._power / 2, self._mixed / 2
        return samples

    def end(self) -> None:
        """Warn if the channels have cancelled each other: there is no more sound, or enough to know."""
        if self._watched and self._mixed < _CANCELLED * self._power:
            self._watched = False
            log.warning(
                "%s: its channels cancel each other, so almost nothing of it is heard; choose one of them "
                "(kws listen --channel 1; in a configuration source.channel = 1)",
                self._name,
            )


def check_rate(rate: int, *, name: str) -> None:
    """Raise an AudioError for a rate that no recording has."""
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(f"{name}: no recording has {rate} samples per second (possible: {MIN_RATE} to {MAX_RATE})")


def check_finite(samples: Float32Array, position: int, rate: int, *, name: str) -> None:
    """Raise an AudioError with the time of the first sample that is infinite, not a number or beyond :data:`LARGEST`.

    Such a sample would spoil every spectrum that contains it. It comes from a broken program, so the rest of the
    recording cannot be trusted either.
    """
    sound = np.abs(samples) <= LARGEST  # False for what is not a number
    if not sound.all():
        first = int(np.argmin(sound))
        value = float(samples[first])
        what = f"{value:.3g}, far beyond full scale (1.0)" if np.isfinite(value) else "infinite or not a number"
        raise AudioError(f"{name}: the sample at {(position + first) / rate:.3f} s is {what}")
