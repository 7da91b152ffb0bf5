"""Augmentation: what microphones, rooms and lines do to sound, as pure functions of arrays and a random generator.

Sound is float32 ``(n,)``. Spectrograms are float32 ``(frames, bins, ...)`` and are overwritten.
"""

from __future__ import annotations

import numpy as np

from kws.audio.augment import decibels, rms
from kws.audio.resample import RATE
from kws.types import Float32Array

# Band limits: the shares of limited images that lose the high and the low end (some lose both), where the edges lie as
# shares of the bins, and the loss beyond in decibels.
_LOSES_HIGH, _LOSES_LOW = 0.8, 0.4
_HIGH_EDGE, _LOW_EDGE = (0.55, 0.95), (0.05, 0.2)
_LOSS_DB = (15.0, 60.0)
# Noise suppression: how far below the loudest sound it begins, and how much it takes away.
_SUPPRESSED_BELOW_DB, _SUPPRESSED_BY_DB = (15.0, 45.0), (10.0, 40.0)


def beeps(rng: np.random.Generator, size: int) -> Float32Array:
    """Return what machines say: a tone, a sweep or a burst of noise, once or repeatedly, of level 1 while it sounds.

    A network that never heard them mistakes the steady pitch of an alarm for a vowel.
    """
    seconds = np.arange(int(rng.uniform(0.05, 1.2) * RATE)) / RATE
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
    fade = min(len(sound) // 2, int(rng.uniform(0.001, 0.02) * RATE))
    ramp = np.linspace(0.0, 1.0, fade)
    sound[:fade] *= ramp
    sound[len(sound) - fade :] *= ramp[::-1]
    once = (sound / rms(sound.astype(np.float32))).astype(np.float32)
    period = len(once) + int(rng.uniform(0.05, 0.6) * RATE)
    window = np.zeros(size + len(once), np.float32)
    for start in range(int(rng.integers(size)), size, period if rng.random() < 0.5 else size):
        window[start : start + len(once)] += once
    cut = int(rng.integers(len(once)))  # so that some have begun before the window does
    return window[cut : cut + size]


def mask_spectrogram(
    rng: np.random.Generator,
    image: Float32Array,
    *,
    time_masks: int,
    time_mask: float,
    frequency_masks: int,
    frequency_mask: float,
) -> None:
    """SpecAugment (Park et al. 2019): overwrite random frames and bins with the mean of the image.

    ``time_mask`` and ``frequency_mask`` are the widest masks, as shares of the image.
    """
    mean = image.mean()
    for axis, count, share in ((0, time_masks, time_mask), (1, frequency_masks, frequency_mask)):
        view, size = image.swapaxes(0, axis), image.shape[axis]
        for _ in range(count):
            width = int(rng.integers(0, max(1, int(share * size)) + 1))
            start = int(rng.integers(0, size - width + 1))
            view[start : start + width] = mean


def filter_spectrogram(
    rng: np.random.Generator,
    image: Float32Array,
    *,
    log_offset: float,
    gain_db: float,
    band_limit: float,
    suppression: float = 0.0,
) -> None:
    """Hear a spectrogram through another microphone and line.

    Args:
        rng: draws the effects.
        image: magnitudes, or their logarithms.
        log_offset: that of :class:`kws.features.front_end.FrontEnd`.
        gain_db: largest gain or loss. The gains run linearly over the bins between two to five random values
            (FilterAugment, arXiv:2110.03282).
        band_limit: share of images with the steep edges of a headset's or a telephone's line.
        suppression: share of images in which faint sound is made fainter, as devices do that mistake an "f" for noise.
    """
    bins = image.shape[1]
    knots = np.concatenate([[0.0, bins - 1.0], rng.uniform(0.0, bins - 1.0, int(rng.integers(0, 4)))])
    gains = np.interp(np.arange(bins), np.sort(knots), rng.uniform(-gain_db, gain_db, len(knots)))
    if rng.random() < band_limit:
        kind = rng.random()
        if kind < _LOSES_HIGH:
            gains[int(bins * rng.uniform(*_HIGH_EDGE)) :] -= rng.uniform(*_LOSS_DB)
        if kind > 1 - _LOSES_LOW:
            gains[: int(bins * rng.uniform(*_LOW_EDGE))] -= rng.uniform(*_LOSS_DB)
    offset = np.float32(log_offset)
    if log_offset:
        np.exp(image, out=image)
        image -= offset
        np.maximum(image, 0.0, out=image)
    image *= (10 ** (gains / 20)).astype(np.float32).reshape(-1, *[1] * (image.ndim - 2))
    if rng.random() < suppression:
        around = _mean_around(image)
        faint = around < around.max() * decibels(-rng.uniform(*_SUPPRESSED_BELOW_DB))
        image[faint] *= decibels(-rng.uniform(*_SUPPRESSED_BY_DB))
    if log_offset:
        image += offset
        np.log(image, out=image)


def _mean_around(image: Float32Array) -> Float32Array:
    """Return the means over three frames by three bins, with the edges repeated beyond."""
    padded = np.pad(image, [(1, 1), (1, 1), *[(0, 0)] * (image.ndim - 2)], mode="edge")
    frames = padded[:-2] + padded[1:-1] + padded[2:]
    mean: Float32Array = (frames[:, :-2] + frames[:, 1:-1] + frames[:, 2:]) * np.float32(1 / 9)
    return mean
