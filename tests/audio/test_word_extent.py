from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.audio.word_extent import clip_window, levels, word_extent
from kws.types import Float32Array

RATE = 16000
FRAME = 320
#: What the word is allowed to be longer than it is at either end: the frame that it begins in, and the margin.
SLACK = 2 * FRAME


def burst(seconds: float, decibels: float = -20.0) -> Float32Array:
    """A buzz of that level."""
    amplitude = math.sqrt(2) * 10 ** (decibels / 20)
    turns = 2 * np.pi * 400 * np.arange(round(seconds * RATE)) / RATE
    return (amplitude * np.sin(turns)).astype(np.float32)


def hiss(seconds: float, decibels: float = -60.0) -> Float32Array:
    rng = np.random.default_rng(5)
    return rng.standard_normal(round(seconds * RATE), np.float32) * np.float32(10 ** (decibels / 20))


def sound(*parts: Float32Array) -> Float32Array:
    """The parts one after the other, in a hiss."""
    joined = np.concatenate(parts)
    return joined + hiss(len(joined) / RATE)


def silence(seconds: float) -> Float32Array:
    return np.zeros(round(seconds * RATE), np.float32)


def assert_extent(found: tuple[int, int], start: float, end: float) -> None:
    """The word is all there, and little else."""
    first, last = round(start * RATE), round(end * RATE)
    assert first - SLACK <= found[0] <= first
    assert last <= found[1] <= last + SLACK


def test_levels_are_of_20_ms_each() -> None:
    found = levels(np.concatenate((burst(0.04, -20), np.full(FRAME, 0.1, np.float32), silence(0.03))))
    assert found == pytest.approx([-20, -20, -20, -120], abs=0.01)
    assert levels(np.ones(5, np.float32)) == pytest.approx([0.0], abs=1e-5)
    assert levels(np.ones(800, np.float32), 8000).shape == (5,)


@pytest.mark.parametrize(("start", "length"), [(0.3, 0.4), (0.0, 0.2), (0.55, 0.45), (0.51, 0.1)])
def test_a_word_is_found(start: float, length: float) -> None:
    clip = sound(silence(start), burst(length), silence(1 - start - length))
    assert len(clip) == RATE
    assert_extent(word_extent(clip), start, start + length)


def test_a_word_goes_on_over_a_short_pause() -> None:
    clip = sound(silence(0.2), burst(0.2), silence(0.12), burst(0.1, -25), silence(0.4))
    assert_extent(word_extent(clip), 0.2, 0.62)


def test_what_comes_after_a_long_pause_is_something_else() -> None:
    clip = sound(silence(0.2), burst(0.3), silence(0.3), burst(0.05, -22), silence(0.3))
    assert_extent(word_extent(clip), 0.2, 0.5)
    clip = sound(silence(0.1), burst(0.05, -22), silence(0.3), burst(0.3), silence(0.3))
    assert_extent(word_extent(clip), 0.45, 0.75)


def test_a_faint_sound_before_the_word_is_not_part_of_it() -> None:
    clip = sound(silence(0.2), burst(0.1, -58), silence(0.05), burst(0.3), silence(0.35))
    assert_extent(word_extent(clip), 0.35, 0.65)


def test_the_margin_stays_within_the_clip() -> None:
    assert word_extent(burst(0.5)) == (0, 8000)
    assert word_extent(np.zeros(16000, np.float32)) == (0, 16000)
    assert word_extent(np.ones(1, np.float32)) == (0, 1)


def test_another_rate() -> None:
    clip = sound(silence(0.4), burst(0.4), silence(0.2))[::2]
    start, end = word_extent(clip, 8000)
    assert_extent((2 * start, 2 * end), 0.4, 0.8)


@given(samples=st.integers(0, 50), window=st.integers(1, 60))
def test_a_short_clip_lies_in_the_middle_of_silence(samples: int, window: int) -> None:
    clip = np.arange(1, samples + 1, dtype=np.float32)
    placed = clip_window(clip, max(window, samples))
    before, after = np.flatnonzero(placed)[[0, -1]] if samples else (0, -1)
    assert len(placed) == max(window, samples)
    assert placed.dtype == np.float32
    assert np.array_equal(placed[before : after + 1], clip)
    if samples:
        assert 0 <= (len(placed) - 1 - after) - before <= 1


@pytest.mark.parametrize(("start", "first"), [(0.9, 0.5), (0.1, 0.0), (1.55, 1.0)], ids=["middle", "beginning", "end"])
def test_a_long_clip_is_cut_round_its_word(start: float, first: float) -> None:
    clip = sound(silence(start), burst(0.2), silence(1.8 - start))
    placed = clip_window(clip)
    assert len(placed) == 16000
    [offset] = [i for i in range(len(clip) - 16000 + 1) if clip[i] == placed[0] and clip[i + 99] == placed[99]]
    assert np.array_equal(placed, clip[offset : offset + 16000])
    assert offset == pytest.approx(first * RATE, abs=FRAME)
