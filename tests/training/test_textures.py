"""Noise that is made: of level one, of every kind, and never a voice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.training.augment import rms
from kws.training.textures import crackle, harmonic, texture, wash
from kws.values import Float32Array

KINDS = [wash, crackle, harmonic, texture]
SIZE = 16000


def drawn(kind: Callable[..., Float32Array], count: int = 200) -> list[Float32Array]:
    rng = np.random.default_rng(1)
    return [kind(rng, SIZE) for _ in range(count)]


def loudness(sound: Float32Array) -> Float32Array:
    """Decibels of stretches of 25 ms."""
    power = (sound.reshape(-1, SIZE // 40) ** 2).mean(axis=1)
    decibels: Float32Array = 10 * np.log10(power + 1e-9)
    return decibels


@given(st.sampled_from(KINDS), st.integers(0, 2**32 - 1), st.sampled_from([800, 16000, 24001]))
def test_every_texture_is_sound_of_level_one(kind: Callable[..., Float32Array], seed: int, size: int) -> None:
    sound = kind(np.random.default_rng(seed), size)
    assert sound.shape == (size,)
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()
    assert rms(sound) == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_makes_the_same(kind: Callable[..., Float32Array]) -> None:
    first, again, other = (kind(np.random.default_rng(seed), SIZE) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_washes_are_from_steady_to_gusts() -> None:
    ranges = [np.ptp(loudness(sound)) for sound in drawn(wash)]
    assert min(ranges) < 6
    assert max(ranges) > 25


def test_washes_are_of_all_spectra() -> None:
    low = [np.mean((np.abs(np.fft.rfft(sound)) ** 2)[:1000]) / SIZE for sound in drawn(wash)]
    assert np.mean(np.array(low) > 4) > 0.1  # nearly all below 1 kHz: rumble
    assert np.mean(np.array(low) < 0.4) > 0.1  # hardly any: hiss


def test_crackles_are_from_single_strokes_to_showers() -> None:
    def peaked(sound: Float32Array) -> float:
        return float(np.mean(sound**4))  # 3 for noise, high where it is mostly quiet

    peaks = [peaked(sound) for sound in drawn(crackle)]
    assert np.percentile(peaks, 10) < 6
    assert np.percentile(peaks, 90) > 30


def test_pitches_are_lower_or_higher_than_speakers() -> None:
    """A steady pitch of a voice would be a vowel."""
    rng = np.random.default_rng(2)
    low, high = 0, 0
    for _ in range(150):
        sound = harmonic(rng, SIZE)
        piece = sound[6000:8048] * np.hanning(2048).astype(np.float32)
        correlation = np.fft.irfft(np.abs(np.fft.rfft(piece, 4096)) ** 2)
        lags = np.arange(9, 900)
        clear = correlation[lags] > 0.75 * correlation[0]
        peaks = lags[1:-1][(np.diff(np.sign(np.diff(correlation[lags]))) < 0) & clear[1:-1]]
        if not len(peaks):
            continue
        pitch = 16000 / peaks[0]
        low += pitch < 100
        high += pitch > 250
    assert low > 10
    assert high > 30
