from __future__ import annotations

import numpy as np
import pytest

from kws.audio.augment import rms
from kws.audio.word_extent import WordClip
from kws.enroll.copies import copies, noisy, passing

RATE = 16000


def word(seconds: float) -> WordClip:
    """A click at each end of a word, in silence."""
    sound = np.zeros(round((seconds + 1) * RATE), np.float32)
    start, end = RATE // 2, RATE // 2 + round(seconds * RATE)
    sound[start], sound[end - 1] = 0.5, 0.25
    return WordClip(sound, start, end)


def test_a_word_passes_by_whole_as_long_as_it_must_be_heard() -> None:
    ends = [int(np.flatnonzero(window == 0.25)[0]) / RATE for window in passing(word(0.5), 7, RATE)]
    assert ends == pytest.approx(np.linspace(1.0, 0.64, 7), abs=1e-3)
    assert all(np.any(window == 0.5) for window in passing(word(0.5), 7, RATE))


def test_a_word_that_is_too_long_for_that_loses_as_much_at_both_ends() -> None:
    windows = list(passing(word(0.9), 7, RATE))
    assert [bool(np.any(window == 0.5)) for window in windows] == [True] * 4 + [False] * 3
    assert [bool(np.any(window == 0.25)) for window in windows] == [False] * 3 + [True] * 4


def test_copies_differ_and_a_seed_yields_the_same() -> None:
    first, again, other = (list(copies(word(0.5), 5, RATE, seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    for window in first:
        assert window.shape == (RATE,)
        assert window.dtype == np.float32
        assert -46 < 20 * np.log10(rms(window)) < -11


def test_noise_is_10_db_below_the_word() -> None:
    quiet = word(0.5)
    noise = noisy(quiet, 3).sound - quiet.sound
    assert 20 * np.log10(rms(quiet.word) / rms(noise)) == pytest.approx(10, abs=0.3)
