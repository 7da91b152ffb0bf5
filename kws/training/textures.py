"""Noise that is made, of more kinds than were recorded: weather, machines, kitchens, animals.

Random sounds with the statistics by which textures are told apart (McDermott and Simoncelli 2011,
doi:10.1016/j.neuron.2011.06.032): the spectrum, how much and how fast the level varies, how sparse the events are, and
how harmonic. All are float32 sound ``(n,)`` of level 1.
"""

from __future__ import annotations

import numpy as np

from kws.training.augment import decibels, rms
from kws.values import Float32Array

_LOWEST = 40.0  # hertz, where spectra begin to vary
_MOTORS = 0.4  # share of harmonic sounds that are low and steady; the others are cries


def texture(rng: np.random.Generator, size: int, *, sample_rate: int = 16000) -> Float32Array:
    """A sound of one of the kinds here, or of two at once."""
    kinds = (wash, wash, crackle, harmonic)
    sound = kinds[int(rng.integers(len(kinds)))](rng, size, sample_rate=sample_rate)
    if rng.random() < 0.3:
        other = kinds[int(rng.integers(len(kinds)))](rng, size, sample_rate=sample_rate)
        sound = sound + other * decibels(rng.uniform(-20.0, 0.0))
    return _level_one(sound)


def wash(rng: np.random.Generator, size: int, *, sample_rate: int = 16000) -> Float32Array:
    """Noise of any spectrum whose level comes and goes, like wind, waves, traffic, a tap or a vacuum cleaner."""
    noise = _coloured(rng, rng.standard_normal(size).astype(np.float32), sample_rate)
    return _level_one(noise * _swell(rng, size, sample_rate))


def crackle(rng: np.random.Generator, size: int, *, sample_rate: int = 16000) -> Float32Array:
    """Strokes at random times that ring for a moment, from single ones to a shower: rain, fire, keys, dishes, steps."""
    per_second = 10 ** rng.uniform(0.3, 2.7)
    strokes = np.zeros(size, np.float32)
    count = 1 + int(rng.poisson(per_second * size / sample_rate))
    strength = 10 ** (rng.normal(0.0, rng.uniform(2.0, 10.0), count) / 20)
    np.add.at(strokes, rng.integers(size, size=count), (strength * rng.choice((-1.0, 1.0), count)).astype(np.float32))
    seconds = np.arange(size // 4) / sample_rate
    # What rings long is struck seldom; a shower of it would be a steady tone.
    longest = min(0.06, 2.0 / per_second)
    ring = np.zeros(len(seconds))
    for _ in range(int(rng.integers(1, 5))):
        frequency, decay = 10 ** rng.uniform(2.2, 3.85), rng.uniform(0.0005, max(0.001, longest))
        ring += rng.uniform(0.2, 1.0) * np.exp(-seconds / decay) * np.sin(2 * np.pi * frequency * seconds + 0.5)
    padded = size + len(ring)
    sound = np.fft.irfft(np.fft.rfft(strokes, padded) * np.fft.rfft(ring, padded), padded)[:size].astype(np.float32)
    return _level_one(_level_one(sound) + wash(rng, size, sample_rate=sample_rate) * decibels(rng.uniform(-40.0, -5.0)))


def harmonic(rng: np.random.Generator, size: int, *, sample_rate: int = 16000) -> Float32Array:
    """Overtones of a pitch that is no speaker's: a motor's, or a cry's that rises, falls and trembles."""
    motor = rng.random() < _MOTORS
    if motor:
        pitch = 10 ** rng.uniform(1.3, 1.9) * 2 ** _line(rng, size, int(rng.integers(2, 4)), 0.0, 0.3)
    else:
        pitch = 10 ** rng.uniform(2.6, 3.25) * 2 ** _line(rng, size, int(rng.integers(2, 7)), -0.6, 0.6)
        if rng.random() < 0.5:
            tremble, seconds = rng.uniform(4.0, 50.0), np.arange(size) / sample_rate
            pitch *= 1 + rng.uniform(0.0, 0.05) * np.sin(2 * np.pi * tremble * seconds)
    phase = np.cumsum(pitch / sample_rate) + rng.random()
    saw = (2 * (phase % 1.0) - 1).astype(np.float32)
    breath = rng.standard_normal(size).astype(np.float32) * decibels(rng.uniform(-40.0, 0.0))
    sound = _coloured(rng, saw + breath, sample_rate)
    if not motor or rng.random() < 0.3:
        sound = sound * _swell(rng, size, sample_rate)
    return _level_one(sound)


def _level_one(sound: Float32Array) -> Float32Array:
    return sound / np.float32(rms(sound))


def _line(rng: np.random.Generator, size: int, knots: int, low: float, high: float) -> Float32Array:
    """A line ``(size,)`` from one random value to the next."""
    line: Float32Array = np.interp(
        np.linspace(0.0, knots - 1.0, size), np.arange(knots), rng.uniform(low, high, knots)
    ).astype(np.float32)
    return line


def _coloured(rng: np.random.Generator, sound: Float32Array, sample_rate: int) -> Float32Array:
    """Give a sound a random spectrum: a slope, and hills and valleys over the logarithm of frequency."""
    spectrum = np.fft.rfft(sound)
    octaves = np.log2(np.maximum(np.linspace(0.0, sample_rate / 2, len(spectrum)), _LOWEST) / _LOWEST)
    knots = int(rng.integers(3, 12))
    hills = np.interp(octaves, np.linspace(0.0, octaves[-1], knots), rng.uniform(-15.0, 15.0, knots))
    gain = 10 ** ((hills - rng.uniform(-3.0, 8.0) * octaves) / 20)
    coloured: Float32Array = np.fft.irfft(spectrum * gain.astype(np.float32), len(sound)).astype(np.float32)
    return coloured


def _swell(rng: np.random.Generator, size: int, sample_rate: int) -> Float32Array:
    """How the level varies ``(size,)``: by 0 to 40 dB, 0.5 to 20 times a second, some of it again and again."""
    seconds = size / sample_rate
    knots = 2 + int(seconds * 10 ** rng.uniform(-0.3, 1.3))
    depth = rng.uniform(0.0, 40.0)
    if rng.random() < 0.3:
        beat = _line(rng, max(2, int(size / rng.uniform(1.0, 12.0) / seconds)), max(2, knots // 3), -depth, 0.0)
        line = np.roll(np.resize(beat, size), int(rng.integers(size)))
    else:
        line = _line(rng, size, knots, -depth, 0.0)
    swell: Float32Array = (10 ** (line / 20)).astype(np.float32)
    return swell
