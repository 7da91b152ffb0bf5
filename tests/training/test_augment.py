"""The effects of a room and a microphone, checked as physics."""

from __future__ import annotations

import numpy as np
import pytest

from kws.audio.augment import rms
from kws.training.augment import beeps, filter_spectrogram, mask_spectrogram


def test_masks_are_rows_and_columns_of_the_mean_and_no_wider_than_asked() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        image = rng.standard_normal((40, 30, 1)).astype(np.float32)
        before, mean = image.copy(), image.mean()
        mask_spectrogram(rng, image, time_masks=1, time_mask=0.2, frequency_masks=1, frequency_mask=0.1)
        changed = image[..., 0] != before[..., 0]
        assert np.all(image[..., 0][changed] == mean)
        rows, columns = changed.all(axis=1), changed.all(axis=0)
        assert rows.sum() <= 8
        assert columns.sum() <= 3
        assert np.array_equal(changed, rows[:, None] | columns[None, :])


def test_beeps_are_of_level_one_while_they_sound_and_leave_pauses() -> None:
    rng = np.random.default_rng(1)
    pauses, steady, sounded = 0, 0, []
    for _ in range(300):
        window = beeps(rng, 16000)
        assert window.shape == (16000,)
        assert window.dtype == np.float32
        assert np.isfinite(window).all()
        sounding = window[np.abs(window) > 1e-6]
        pauses += len(sounding) < 16000
        if len(sounding) > 8000:
            sounded.append(rms(sounding))
            spectrum = np.abs(np.fft.rfft(window)) ** 2
            steady += spectrum.max() > 0.2 * spectrum.sum()
    assert np.median(sounded) == pytest.approx(1.0, abs=0.3)
    assert max(sounded) < 2.0  # where two overlap
    assert pauses > 200
    assert steady > 20


def test_the_same_seed_beeps_the_same() -> None:
    first, again = (beeps(np.random.default_rng(5), 16000) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_colours_are_gains_of_magnitudes_that_grow_in_lines_over_frequency() -> None:
    magnitudes = np.abs(np.random.default_rng(0).standard_normal((30, 40, 1))).astype(np.float32)
    straight = 0
    for seed in range(60):
        image = np.log(magnitudes + np.float32(0.001))
        filter_spectrogram(np.random.default_rng(seed), image, log_offset=0.001, gain_db=8.0, band_limit=0.0)
        gains = 20 * np.log10((np.exp(image) - 0.001) / magnitudes)
        loud = magnitudes.max(axis=(0, 2)).argmax()
        # The same gain at all times: a microphone does not change.
        audible = magnitudes > 0.05
        spread = np.where(audible, gains, np.nan)
        np.testing.assert_allclose(np.nanmax(spread, axis=0), np.nanmin(spread, axis=0), atol=0.05)
        gain = np.nanmedian(spread, axis=(0, 2))
        assert np.abs(gain).max() <= 8.05
        assert np.abs(gain[loud]) <= 8.05
        bends = np.abs(np.diff(gain, 2)) > 0.05
        straight += not bends.any()
        assert bends.sum() <= 6  # at most three knots within, each of which bends two steps
    assert 5 < straight < 30  # a quarter is one slope from end to end


def test_colours_of_magnitudes_without_logarithm_are_the_same() -> None:
    magnitudes = np.abs(np.random.default_rng(0).standard_normal((30, 40))).astype(np.float32) + 0.1
    logarithms = np.log(magnitudes + np.float32(1e-3))
    filter_spectrogram(np.random.default_rng(7), logarithms, log_offset=1e-3, gain_db=6.0, band_limit=1.0)
    linear = magnitudes.copy()
    filter_spectrogram(np.random.default_rng(7), linear, log_offset=0.0, gain_db=6.0, band_limit=1.0)
    np.testing.assert_allclose(np.exp(logarithms) - 1e-3, linear, atol=1e-5)
    assert not np.allclose(linear, magnitudes)


def test_lines_of_limited_band_lose_one_edge_or_both_and_never_the_middle() -> None:
    edges = set()
    for seed in range(200):
        image = np.ones((4, 40), np.float32)
        filter_spectrogram(np.random.default_rng(seed), image, log_offset=0.0, gain_db=0.0, band_limit=1.0)
        loss = -20 * np.log10(image)
        np.testing.assert_allclose(loss[:, 8:22], 0.0, atol=1e-4)
        lost = loss[0] > 1.0
        assert np.all((loss[0][lost] > 14.9) & (loss[0][lost] < 60.1))
        edges.add((bool(lost[0]), bool(lost[-1])))
    assert edges == {(True, False), (False, True), (True, True)}


def test_noise_suppression_takes_what_is_faint_and_leaves_what_is_loud() -> None:
    """It takes noise of 0 dB, with it a consonant of 20 dB, or nothing, but never a vowel of 40 dB."""
    levels = np.zeros((30, 40, 1), np.float32)
    levels[10:20, 5:15] = 40.0
    levels[20:28, 25:39] = 20.0
    image = np.log(10 ** (levels / 20) + np.float32(1e-3))
    vowel, consonant, noise = (
        (slice(11, 19), slice(6, 14)),
        (slice(21, 27), slice(26, 38)),
        (slice(0, 8), slice(20, 38)),
    )
    lost = set()
    for seed in range(100):
        heard = image.copy()
        filter_spectrogram(
            np.random.default_rng(seed), heard, log_offset=1e-3, gain_db=0.0, band_limit=0.0, suppression=1.0
        )
        loss = 20 * np.log10((np.exp(image) - 1e-3) / (np.exp(heard) - 1e-3))
        np.testing.assert_allclose(loss[vowel], 0.0, atol=1e-2)
        for part in (consonant, noise):
            assert np.ptp(loss[part]) < 0.1
            assert abs(loss[part].mean()) < 0.1 or 9.9 < loss[part].mean() < 40.1
        lost.add((bool(loss[consonant].mean() > 1), bool(loss[noise].mean() > 1)))
    assert lost == {(True, True), (False, True), (False, False)}


def test_silence_stays_silence_in_every_colour() -> None:
    image = np.full((4, 40), np.log(np.float32(1e-3)), np.float32)
    filter_spectrogram(np.random.default_rng(3), image, log_offset=1e-3, gain_db=12.0, band_limit=1.0, suppression=1.0)
    np.testing.assert_allclose(image, np.log(1e-3), atol=1e-3)
