"""What a microphone in a room does to a word, as pure functions of float32 sound ``(n,)`` and a random generator."""

from __future__ import annotations

import math

import numpy as np

from kws.types import Float32Array

# The steep edges of lines: how many have an upper and a lower one, where these lie as shares of the columns, and how
# many decibels are lost beyond.
_LOW_PASSED, _HIGH_PASSED = 0.8, 0.4
_HIGHEST, _LOWEST = (0.55, 0.95), (0.05, 0.2)
_LOSS = (15.0, 60.0)
# Noise suppression: decibels below the loudest from which sound is taken for noise, and by which it is lowered.
_SUPPRESSED_BELOW, _SUPPRESSED_BY = (15.0, 45.0), (10.0, 40.0)


def rms(samples: Float32Array) -> float:
    """Root mean square, never zero."""
    return math.sqrt(float(np.dot(samples, samples)) / max(1, len(samples)) + 1e-12)


def decibels(db: float) -> np.float32:
    """The amplitude ratio of a level difference."""
    return np.float32(10 ** (db / 20))


def change_speed(samples: Float32Array, factor: float) -> Float32Array:
    """Play ``factor`` times as fast; the pitch moves along, as from a smaller or larger speaker.

    Linear interpolation: its error lies where the front-end's top bands hardly hear it.
    """
    size = int(len(samples) / factor)
    faster: Float32Array = np.interp(np.arange(size) * factor, np.arange(len(samples)), samples).astype(np.float32)
    return faster


def coloured_noise(rng: np.random.Generator, size: int, slope: float) -> Float32Array:
    """Noise of level 1 whose amplitude spectrum falls as ``frequency ** -slope`` (0 white, 0.5 pink, 1 brown)."""
    spectrum = np.fft.rfft(rng.standard_normal(size, np.float32))
    spectrum *= np.arange(1, len(spectrum) + 1, dtype=np.float32) ** -np.float32(slope)
    noise = np.fft.irfft(spectrum, size).astype(np.float32)
    return noise / np.float32(rms(noise))


def beeps(rng: np.random.Generator, size: int, *, sample_rate: int = 16000) -> Float32Array:
    """What machines say: a tone, a sweep or a burst of noise, once or again and again, of level 1 while it sounds.

    A network that never heard them takes the steady pitch of an alarm for a vowel.
    """
    seconds = np.arange(int(rng.uniform(0.05, 1.2) * sample_rate)) / sample_rate
    first = rng.uniform(150.0, 4000.0)
    # Most are steady; the others slide by up to two octaves.
    last = first * 2 ** (rng.uniform(-2.0, 2.0) if rng.random() < 0.3 else 0.0)
    phase = 2 * np.pi * (first * seconds + (last - first) * seconds**2 / (2 * seconds[-1]))
    kind = rng.random()
    if kind < 0.6:  # pure, or with a few overtones
        sound = sum(rng.uniform() ** 2 * np.sin(n * phase) for n in range(2, 4)) * rng.integers(2) + np.sin(phase)
    elif kind < 0.8:
        sound = np.sign(np.sin(phase))
    else:
        sound = rng.standard_normal(len(seconds))
    if rng.random() < 0.4:  # struck, not blown
        sound = sound * np.exp(-seconds * rng.uniform(3.0, 30.0))
    fade = min(len(sound) // 2, int(rng.uniform(0.001, 0.02) * sample_rate))
    ramp = np.linspace(0.0, 1.0, fade)
    sound[:fade] *= ramp
    sound[len(sound) - fade :] *= ramp[::-1]
    once = (sound / rms(sound.astype(np.float32))).astype(np.float32)
    period = len(once) + int(rng.uniform(0.05, 0.6) * sample_rate)
    window = np.zeros(size + len(once), np.float32)
    for start in range(int(rng.integers(size)), size, period if rng.random() < 0.5 else size):
        window[start : start + len(once)] += once
    cut = int(rng.integers(len(once)))  # so that some are under way when the window begins
    return window[cut : cut + size]


def room_response(rng: np.random.Generator, *, sample_rate: int = 16000) -> Float32Array:
    """A room and a microphone as one impulse response ``(n,)``, at most 0.4 s, of unit energy.

    The direct sound, then Gaussian noise that decays by 60 dB in 0.1 to 0.7 s (Polack's model of late reverberation),
    5 to 25 dB below it in energy; then a cheap microphone: a smooth random tilt of up to 8 dB and band limits.
    """
    decay = rng.uniform(0.1, 0.7)
    size = int(min(decay, 0.4) * sample_rate)
    seconds = np.arange(size) / sample_rate
    tail = rng.standard_normal(size) * np.exp(-6.9 * seconds / decay)
    tail[: int(rng.uniform(0.001, 0.012) * sample_rate)] = 0.0
    tail *= decibels(-rng.uniform(5.0, 25.0)) / np.sqrt(np.sum(tail**2) + 1e-12)
    tail[0] = 1.0
    spectrum = np.fft.rfft(tail)
    frequency = np.linspace(0.0, sample_rate / 2, len(spectrum))
    knots = rng.uniform(-8.0, 8.0, 6)
    tilt = np.interp(np.log2(frequency + 60.0), np.linspace(np.log2(60.0), np.log2(8060.0), 6), knots)
    low, high = rng.uniform(20.0, 300.0), rng.uniform(3800.0, 9000.0)
    tilt -= 12.0 * np.maximum(0.0, np.log2(low / np.maximum(frequency, 10.0)))
    tilt -= 24.0 * np.maximum(0.0, np.log2(np.maximum(frequency, 10.0) / high))
    response = np.fft.irfft(spectrum * 10 ** (tilt / 20), size)
    unit: Float32Array = (response / np.sqrt(np.sum(response**2))).astype(np.float32)
    return unit


class Room:
    """An impulse response ``(n,)`` through which sounds of one length are heard, cut to that length."""

    def __init__(self, response: Float32Array, size: int) -> None:
        self._size = size
        # Even, and a product of small primes for what windows and rooms there are.
        self._padded = -(-(size + len(response)) // 200) * 200
        self._spectrum = np.fft.rfft(response, self._padded)

    def __call__(self, samples: Float32Array) -> Float32Array:
        """The sound ``(size,)`` in the room."""
        spectrum = np.fft.rfft(samples, self._padded) * self._spectrum
        return np.fft.irfft(spectrum, self._padded)[: self._size].astype(np.float32, copy=False)


def mask_spectrogram(
    rng: np.random.Generator,
    image: Float32Array,
    *,
    time_masks: int,
    time_mask: float,
    frequency_masks: int,
    frequency_mask: float,
) -> None:
    """SpecAugment (Park et al. 2019): overwrite random rows and columns of ``(rows, columns, ...)`` with its mean.

    ``time_mask`` and ``frequency_mask`` are the widest masks, as shares of the image.
    """
    mean = image.mean()
    rows, columns = image.shape[:2]
    for _ in range(time_masks):
        width = int(rng.integers(0, max(1, int(time_mask * rows)) + 1))
        start = int(rng.integers(0, rows - width + 1))
        image[start : start + width] = mean
    for _ in range(frequency_masks):
        width = int(rng.integers(0, max(1, int(frequency_mask * columns)) + 1))
        start = int(rng.integers(0, columns - width + 1))
        image[:, start : start + width] = mean


def colour_spectrogram(
    rng: np.random.Generator,
    image: Float32Array,
    *,
    log_offset: float,
    gain: float,
    band_limit: float,
    suppression: float = 0.0,
) -> None:
    """Hear a spectrogram ``(rows, columns, ...)`` through another microphone and line.

    A gain for each column, in a line between two to five random ones (FilterAugment, arXiv:2110.03282); perhaps the
    steep edges of a line that carries less than the whole band, like that of a headset or of a telephone; and perhaps
    what is faint is made fainter, as by a device that suppresses noise, and takes an "f" for some.

    Args:
        rng: draws them.
        image: magnitudes, or their logarithms; overwritten.
        log_offset: that of :class:`kws.features.front_end.FrontEnd`.
        gain: the largest gain or loss in decibels.
        band_limit: share of images that lose what lies above, below or beyond such edges.
        suppression: share of images in which noise is suppressed.
    """
    columns = image.shape[1]
    knots = np.concatenate([[0.0, columns - 1.0], rng.uniform(0.0, columns - 1.0, int(rng.integers(0, 4)))])
    gains = np.interp(np.arange(columns), np.sort(knots), rng.uniform(-gain, gain, len(knots)))
    if rng.random() < band_limit:
        kind = rng.random()
        if kind < _LOW_PASSED:
            gains[int(columns * rng.uniform(*_HIGHEST)) :] -= rng.uniform(*_LOSS)
        if kind > 1 - _HIGH_PASSED:
            gains[: int(columns * rng.uniform(*_LOWEST))] -= rng.uniform(*_LOSS)
    offset = np.float32(log_offset)
    if log_offset:
        np.exp(image, out=image)
        image -= offset
        np.maximum(image, 0.0, out=image)
    image *= (10 ** (gains / 20)).astype(np.float32).reshape(-1, *[1] * (image.ndim - 2))
    if rng.random() < suppression:
        around = _mean_around(image)
        faint = around < around.max() * decibels(-rng.uniform(*_SUPPRESSED_BELOW))
        image[faint] *= decibels(-rng.uniform(*_SUPPRESSED_BY))
    if log_offset:
        image += offset
        np.log(image, out=image)


def _mean_around(image: Float32Array) -> Float32Array:
    """The means of three rows by three columns of ``(rows, columns, ...)``, the edges repeated beyond."""
    padding = [(1, 1), (1, 1), *[(0, 0)] * (image.ndim - 2)]
    padded = np.pad(image, padding, mode="edge")
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    mean: Float32Array = (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) * np.float32(1 / 9)
    return mean
