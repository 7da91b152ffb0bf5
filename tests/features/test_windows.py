from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kws.errors import UsageError
from kws.features.front_end import ARTICLE, LOG_MEL, LOG_MEL_SMALL, FrontEnd
from kws.features.windows import Window, WindowStream
from kws.types import AudioBlock, Float32Array

#: A front-end that is quick to compute and whose last frame does not end with the window.
TINY = FrontEnd(
    window=500, frame_length=60, frame_step=25, fft_length=64, mel_bins=8, image=(18, 8), log_offset=1e-3
)  # fmt: skip


def noise(samples: int, seed: int = 3) -> Float32Array:
    return np.random.default_rng(seed).standard_normal(samples, np.float32) * np.float32(0.1)


@dataclass(frozen=True)
class Taken:
    window: Window
    spectrogram: Float32Array


def taken(stream: WindowStream, blocks: Sequence[AudioBlock]) -> list[Taken]:
    """All windows with their spectrogram."""
    return [Taken(window, stream.spectrogram().copy()) for block in blocks for window in stream.push(block)]


def whole(front_end: FrontEnd, hop: int, sound: Float32Array) -> list[Taken]:
    return taken(WindowStream(front_end, hop), [AudioBlock(sound, 0)])


def cut(sound: Float32Array, cuts: Sequence[int], position: int = 0) -> list[AudioBlock]:
    """The sound in blocks that end at the cuts."""
    places = [0, *sorted(cuts), len(sound)]
    return [
        AudioBlock(sound[first:last], position + first) for first, last in pairwise(places)
    ]  # fmt: skip


def assert_same(windows: Sequence[Taken], others: Sequence[Taken], *, shift: int = 0) -> None:
    """To the bit."""
    assert len(windows) == len(others)
    for window, other in zip(windows, others, strict=True):
        assert np.array_equal(window.spectrogram, other.spectrogram)
        assert replace(window.window, end=window.window.end + shift) == other.window


@given(cuts=st.lists(st.integers(0, 1700), max_size=40), hop=st.sampled_from([25, 50, 75, 425, 450]))
def test_streaming_equals_batch_however_the_sound_is_cut(cuts: list[int], hop: int) -> None:
    sound = noise(1700)
    assert_same(taken(WindowStream(TINY, hop), cut(sound, cuts)), whole(TINY, hop, sound))


@pytest.mark.parametrize(
    ("front_end", "hop"), [(LOG_MEL, 160), (LOG_MEL, 800), (LOG_MEL, 1600), (LOG_MEL_SMALL, 960), (ARTICLE, 512)]
)
@pytest.mark.parametrize("size", [1, 37, 160, 799, 16384])
def test_streaming_equals_batch_with_the_presets(front_end: FrontEnd, hop: int, size: int) -> None:
    sound = noise(18000 if size == 1 else 40000)
    blocks = cut(sound, range(size, len(sound), size))
    assert_same(taken(WindowStream(front_end, hop), blocks), whole(front_end, hop, sound))


@pytest.mark.parametrize("hop", [160, 800, 1600])
def test_a_window_is_what_the_front_end_makes_of_its_sound(hop: int) -> None:
    sound = noise(24000)
    windows = whole(LOG_MEL, hop, sound)
    assert [each.window.end for each in windows] == list(range(16000, 24001, hop))
    for each in windows:
        alone = LOG_MEL.spectrogram(sound[each.window.end - 16000 : each.window.end])
        assert np.allclose(each.spectrogram, alone, atol=1e-5)


@given(
    cuts=st.lists(st.integers(0, 1700), max_size=8),
    hop=st.sampled_from([25, 50, 75, 425, 450]),
    asked=st.lists(st.booleans(), min_size=49, max_size=49),
)
def test_spectrograms_are_the_same_whenever_they_are_asked_for(cuts: list[int], hop: int, asked: list[bool]) -> None:
    sound = noise(1700)
    stream = WindowStream(TINY, hop)
    every = whole(TINY, hop, sound)
    windows = (window for block in cut(sound, cuts) for window in stream.push(block))
    for window, ask, expected in zip(windows, asked, every, strict=False):
        assert window == expected.window
        if ask:
            assert np.array_equal(stream.spectrogram(), expected.spectrogram)


@given(
    cuts=st.lists(st.integers(0, 2900), max_size=8),
    hop=st.sampled_from([25, 50, 425]),
    history=st.sampled_from([0, 1, 2, 7, 30]),
    data=st.data(),
)
def test_windows_before_the_newest_can_be_asked_for(
    cuts: list[int], hop: int, history: int, data: st.DataObject
) -> None:
    """In any order, again, and though nothing was asked for in between."""
    sound = noise(2900)
    stream = WindowStream(TINY, hop, history=history)
    expected = whole(TINY, hop, sound)
    asked = data.draw(st.dictionaries(st.integers(0, len(expected) - 1), st.lists(st.integers(0, history), max_size=5)))
    windows = (window for block in cut(sound, cuts) for window in stream.push(block))
    for place, _ in enumerate(windows):
        for ago in asked.get(place, ()):
            if ago <= place:
                assert np.array_equal(stream.spectrogram(ago), expected[place - ago].spectrogram)


def test_only_the_first_window_is_fresh() -> None:
    assert [each.window.fresh for each in whole(TINY, 100, noise(900))] == [True, False, False, False, False]


def test_no_window_before_a_whole_one() -> None:
    stream = WindowStream(TINY, 25)
    assert not list(stream.push(AudioBlock(noise(499), 0)))
    assert stream.end == 499
    [window] = stream.push(AudioBlock(noise(1), 499))
    assert (window.end, stream.end) == (500, 500)


def test_empty_blocks_change_nothing() -> None:
    sound = noise(800)
    stream = WindowStream(TINY, 50)
    assert not list(stream.push(AudioBlock(sound[:0], 0)))
    windows = taken(stream, [AudioBlock(sound[:510], 0), AudioBlock(sound[:0], 510), AudioBlock(sound[510:], 510)])
    assert_same(windows, whole(TINY, 50, sound))


@given(before=st.integers(0, 1200), gap=st.integers(1, 5000), cuts=st.lists(st.integers(0, 900), max_size=5))
def test_a_gap_begins_a_new_stretch(before: int, gap: int, cuts: list[int]) -> None:
    old, new = noise(before, 1), noise(900, 2)
    begin = before + gap
    stream = WindowStream(TINY, 50)
    first = taken(stream, [AudioBlock(old, 0)])
    second = taken(stream, cut(new, cuts, begin))
    assert_same(first, whole(TINY, 50, old))
    # Nothing of the sound before has a part in it: it is what the new sound alone gives, at its own position.
    assert_same(whole(TINY, 50, new), second, shift=begin)


def test_a_step_back_begins_a_new_stretch_too() -> None:
    sound = noise(900)
    stream = WindowStream(TINY, 50)
    taken(stream, [AudioBlock(sound, 0)])
    assert_same(whole(TINY, 50, sound), taken(stream, [AudioBlock(sound, 300)]), shift=300)


def test_the_level_is_that_of_the_newest_hop() -> None:
    sound = np.zeros(700, np.float32)
    sound[550:600] = 0.1
    sound[600:650] = 1.0
    sound[650:675] = 0.5
    levels = [(each.window.end, each.window.level) for each in whole(TINY, 50, sound)]
    assert levels == [
        (500, -120.0),
        (550, -120.0),
        (600, pytest.approx(-20, abs=1e-4)),
        (650, pytest.approx(0, abs=1e-4)),
        (700, pytest.approx(10 * math.log10(0.125), abs=1e-4)),
    ]


def test_old_sound_is_let_go() -> None:
    stream = WindowStream(LOG_MEL, 800)
    for position in range(0, 1_600_000, 16000):
        taken(stream, [AudioBlock(noise(16000), position)])
        assert len(stream._sound) <= 2 * (16000 + 800)


@pytest.mark.parametrize("hop", [160, 800, 15680])
def test_hops_that_fit(hop: int) -> None:
    assert WindowStream(LOG_MEL, hop).hop == hop


@pytest.mark.parametrize(
    ("front_end", "hop", "seconds", "step", "nearest"),
    [
        (LOG_MEL, 0, "0", "0.01", ("0.01", "0.02")),
        (LOG_MEL, 80, "0.005", "0.01", ("0.01", "0.02")),
        (LOG_MEL, 805, "0.0503125", "0.01", ("0.05", "0.06")),
        (ARTICLE, 800, "0.05", "0.032", ("0.032", "0.064")),
    ],
)
def test_hops_that_do_not_fit(front_end: FrontEnd, hop: int, seconds: str, step: str, nearest: tuple[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        WindowStream(front_end, hop)
    assert str(caught.value) == (
        f"a hop of {seconds} s is no multiple of the front-end's step of {step} s; "
        f"the nearest are {nearest[0]} s and {nearest[1]} s"
    )


def test_a_hop_that_would_leave_out_sound() -> None:
    with pytest.raises(UsageError, match=r"^a hop of 1 s leaves out sound; it can be at most 0\.98 s$"):
        WindowStream(LOG_MEL, 16000)
