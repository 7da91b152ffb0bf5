"""Augmentation of sound: places, speeds, noise and rooms, as pure functions of arrays and a random generator.

Sound is float32 ``(n,)``.
"""

from __future__ import annotations

import math

import numpy as np

from kws.audio.resample import RATE
from kws.types import Float32Array


def rms(samples: Float32Array) -> float:
    """Return the root mean square, never zero."""
    return math.sqrt(float(np.dot(samples, samples)) / max(1, len(samples)) + 1e-12)


def decibels(db: float) -> np.float32:
    """Return the amplitude ratio of a level difference."""
    return np.float32(10 ** (db / 20))


def place(sound: Float32Array, size: int, *, at: int) -> Float32Array:
    """Return ``size`` samples of silence with the sound laid in from sample ``at`` on; what sticks out is cut off."""
    window = np.zeros(size, np.float32)
    begin, stop = max(0, at), min(size, at + len(sound))
    if begin < stop:
        window[begin:stop] = sound[begin - at : stop - at]
    return window


def change_speed(samples: Float32Array, factor: float) -> Float32Array:
    """Play ``factor`` times as fast, with the pitch, by linear interpolation: good enough below the top bands."""
    size = int(len(samples) / factor)
    faster: Float32Array = np.interp(np.arange(size) * factor, np.arange(len(samples)), samples).astype(np.float32)
    return faster


def coloured_noise(rng: np.random.Generator, size: int, slope: float) -> Float32Array:
    """Return noise of level 1 with the amplitude spectrum ``frequency ** -slope`` (0 white, 0.5 pink, 1 brown)."""
    spectrum = np.fft.rfft(rng.standard_normal(size, np.float32))
    spectrum *= np.arange(1, len(spectrum) + 1, dtype=np.float32) ** -np.float32(slope)
    noise = np.fft.irfft(spectrum, size).astype(np.float32)
    return noise / np.float32(rms(noise))


def room_response(rng: np.random.Generator) -> Float32Array:
    """Return a room and a microphone as one impulse response ``(n,)``, at most 0.4 s, of unit energy.

    The direct sound, then Gaussian noise that decays by 60 dB in 0.1 to 0.7 s (Polack's model of late reverberation),
    5 to 25 dB below it in energy; then a cheap microphone: a smooth random tilt of up to 8 dB and band limits.
    """
    decay = rng.uniform(0.1, 0.7)
    size = int(min(decay, 0.4) * RATE)
    seconds = np.arange(size) / RATE
    tail = rng.standard_normal(size) * np.exp(-6.9 * seconds / decay)
    tail[: int(rng.uniform(0.001, 0.012) * RATE)] = 0.0
    tail *= decibels(-rng.uniform(5.0, 25.0)) / np.sqrt(np.sum(tail**2) + 1e-12)
    tail[0] = 1.0
    spectrum = np.fft.rfft(tail)
    frequency = np.linspace(0.0, RATE / 2, len(spectrum))
    knots = rng.uniform(-8.0, 8.0, 6)
    tilt = np.interp(np.log2(frequency + 60.0), np.linspace(np.log2(60.0), np.log2(8060.0), 6), knots)
    low, high = rng.uniform(20.0, 300.0), rng.uniform(3800.0, 9000.0)
    tilt -= 12.0 * np.maximum(0.0, np.log2(low / np.maximum(frequency, 10.0)))
    tilt -= 24.0 * np.maximum(0.0, np.log2(np.maximum(frequency, 10.0) / high))
    response = np.fft.irfft(spectrum * 10 ** (tilt / 20), size)
    unit: Float32Array = (response / np.sqrt(np.sum(response**2))).astype(np.float32)
    return unit


class Room:
    """An impulse response ``(n,)``, applied to sounds of one length and cut to that length."""

    def __init__(self, response: Float32Array, size: int) -> None:
        self._size = size
        # Even, and a product of small primes for the windows and rooms in use.
        self._padded = -(-(size + len(response)) // 200) * 200
        self._spectrum = np.fft.rfft(response, self._padded)

    def __call__(self, samples: Float32Array) -> Float32Array:
        """Return the sound ``(size,)`` as heard in the room."""
        spectrum = np.fft.rfft(samples, self._padded) * self._spectrum
        return np.fft.irfft(spectrum, self._padded)[: self._size].astype(np.float32, copy=False)
