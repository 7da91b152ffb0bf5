from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.service.clips.cutter import ClipRequest, Cutter, RecordedClip
from kws.types import AudioBlock, Float32Array

RATE = 10


def word(start: int, end: int, keyword: str = "on") -> ClipRequest:
    return ClipRequest(start=start, end=end, keyword=keyword, score=0.9, site="kitchen", time=datetime.now(UTC))


def ramp(begin: int, end: int) -> AudioBlock:
    """Sound in which each sample is its position."""
    return AudioBlock(np.arange(begin, end, dtype=np.float32), begin)


def span(cut: RecordedClip) -> tuple[int, int]:
    """From where to where; every sample must be the one of its position."""
    end = cut.position + len(cut.samples)
    np.testing.assert_array_equal(cut.samples, np.arange(cut.position, end, dtype=np.float32))
    return cut.position, end


def test_a_cut_is_what_was_before_the_word_and_after_it() -> None:
    cutter = Cutter(before=10, after=5, rate=RATE)
    assert cutter.push(ramp(0, 40)) == []
    assert cutter.request(word(start=30, end=38)) == []
    assert cutter.push(ramp(40, 42)) == []
    (cut,) = cutter.push(ramp(42, 60))
    assert span(cut) == (20, 43)


def test_what_has_come_already_is_cut_at_once() -> None:
    cutter = Cutter(before=10, after=5, rate=RATE)
    cutter.push(ramp(0, 60))
    (cut,) = cutter.request(word(start=30, end=38))
    assert span(cut) == (20, 43)


def test_words_that_overlap_each_have_their_own() -> None:
    cutter = Cutter(before=10, after=10, rate=RATE)
    cutter.push(ramp(0, 30))
    cutter.request(word(start=20, end=28, keyword="a"))
    cutter.push(ramp(30, 35))
    cutter.request(word(start=29, end=34, keyword="b"))
    cuts = cutter.push(ramp(35, 50))
    assert [(cut.request.keyword, *span(cut)) for cut in cuts] == [("a", 10, 38), ("b", 19, 44)]


def test_a_gap_ends_it_and_nothing_spans_it() -> None:
    cutter = Cutter(before=10, after=10, rate=RATE)
    cutter.push(ramp(0, 30))
    cutter.request(word(start=20, end=28))
    (cut,) = cutter.push(ramp(31, 45))
    assert span(cut) == (10, 30)
    cutter.request(word(start=35, end=40))
    (cut,) = cutter.flush()
    assert span(cut) == (31, 45)


def test_a_stream_that_begins_again_is_a_gap() -> None:
    cutter = Cutter(before=10, after=10, rate=RATE)
    cutter.push(ramp(0, 30))
    cutter.push(ramp(0, 10))
    cutter.request(word(start=5, end=8))
    (cut,) = cutter.flush()
    assert span(cut) == (0, 10)


def test_what_was_heard_before_the_segment_is_not_cut() -> None:
    cutter = Cutter(before=10, after=10, rate=RATE)
    cutter.push(ramp(0, 30))
    cutter.push(ramp(100, 101))
    assert cutter.request(word(start=20, end=28)) == []
    assert cutter.flush() == []


def test_only_the_newest_sound_is_remembered() -> None:
    cutter = Cutter(before=10, after=10, rate=RATE)
    for begin in range(0, 100_000, 7):
        cutter.push(ramp(begin, begin + 7))
    assert sum(len(block.samples) for block in cutter._blocks) < 10 + 40 + 10 + 40 + 14


@given(
    ends=st.lists(st.integers(1, 200), min_size=1, max_size=30),
    marks=st.lists(st.tuples(st.integers(0, 199), st.integers(1, 30)), max_size=6),
    before=st.integers(0, 20),
    after=st.integers(0, 20),
)
def test_how_it_is_cut_into_blocks_makes_no_difference(
    ends: list[int], marks: list[tuple[int, int]], before: int, after: int
) -> None:
    def cuts(bounds: list[int]) -> list[tuple[int, int, int]]:
        cutter = Cutter(before=before, after=after, rate=RATE)
        moments = sorted((word(start=end - length, end=end, keyword=str(n)) for n, (end, length) in enumerate(marks)),
                         key=lambda moment: moment.end)  # fmt: skip
        found: list[RecordedClip] = []
        done = 0
        for bound in bounds:
            found += cutter.push(ramp(done, bound))
            for moment in [one for one in moments if done < one.end <= bound]:
                found += cutter.request(moment)
            done = bound
        found += cutter.flush()
        return sorted((*span(cut), int(cut.request.keyword)) for cut in found)

    expected = sorted(
        (max(0, end - length - before, end + after - (before + 4 * RATE + after)), min(200, end + after), n)
        for n, (end, length) in enumerate(marks)
        if end > 0
    )
    assert cuts(sorted({*ends, 200})) == expected


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Cutter(before=-1, after=0, rate=RATE)


def test_a_block_of_nothing_changes_nothing() -> None:
    cutter = Cutter(before=1, after=1, rate=RATE)
    empty: Float32Array = np.zeros(0, np.float32)
    assert cutter.push(AudioBlock(empty, 7)) == []
    assert cutter.flush() == []
