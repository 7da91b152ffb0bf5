"""The defaults, on words as a network that listens to the last second hears them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kws.decision import Decider, Fired, resolve
from kws.types import SILENCE, UNKNOWN, Float32Array

LABELS = (SILENCE, UNKNOWN, "on", "off")
RATE = 16000
HOP = 800
RISE = round(0.15 * RATE)

Word = tuple[str, int, int]


def certainty(onset: int, offset: int, end: int) -> float:
    """Return the posterior of a word from onset to offset in the window that ends at ``end``.

    It begins to know the word 0.15 s before all of it was heard, and has forgotten it 0.15 s after the window
    has moved past its onset.
    """
    known = (end - (offset - RISE)) / RISE
    forgotten = (end - RATE - onset) / RISE
    return float(np.clip(min(known, 1 - forgotten), 0, 1))


def posteriors(words: list[Word], end: int) -> Float32Array:
    """One window's posteriors: of two words in it, the newer takes what it is sure of from the older."""
    row = np.zeros(len(LABELS), np.float32)
    left = 1.0
    for keyword, onset, offset in reversed(words):
        share = left * certainty(onset, offset, end)
        row[LABELS.index(keyword)] += 0.95 * share
        left -= share
    row[0] += 0.95 * left
    return row + np.float32(0.05 / len(LABELS))


def hear(words: list[Word]) -> list[Fired]:
    decider = Decider(LABELS, resolve(LABELS, {}))
    ends = range(RATE, words[-1][2] + 2 * RATE, HOP)
    return [fired for end in ends for fired in decider.step(posteriors(words, end), end).fired]


@st.composite
def spoken(draw: st.DrawFn) -> list[Word]:
    """Words of 0.3 to 0.7 s: the same again 1 s or more after its onset, another 0.4 s or more after the last."""
    words: list[Word] = []
    onset = draw(st.integers(RATE, 2 * RATE))
    for _ in range(draw(st.integers(1, 6))):
        keyword = draw(st.sampled_from(["on", "off"]))
        length = draw(st.integers(round(0.3 * RATE), round(0.7 * RATE)))
        if words:
            last, begun, ended = words[-1]
            onset = max(begun + RATE, ended) if keyword == last else max(begun + round(0.4 * RATE), ended)
            again = [begun for other, begun, _ in words if other == keyword]
            onset = max([onset, *(begun + RATE for begun in again)]) + draw(st.integers(0, RATE))
        words.append((keyword, onset, onset + length))
    return words


@given(words=spoken())
def test_each_word_is_one_detection_in_time_and_in_place(words: list[Word]) -> None:
    detections = hear(words)
    assert [fired.keyword for fired in detections] == [keyword for keyword, _, _ in words]
    for (_, onset, offset), fired in zip(words, detections, strict=True):
        assert offset - RISE < fired.end <= offset + round(0.15 * RATE)  # heard in time
        assert abs(fired.start - onset) <= round(0.46 * RATE)  # a word is thought to last 0.4 s
    assert all(first.end < second.end for first, second in pairwise(detections))


@given(onset=st.integers(RATE, 2 * RATE), length=st.integers(round(0.35 * RATE), round(0.45 * RATE)))
def test_the_start_of_a_word_of_the_usual_length(onset: int, length: int) -> None:
    (fired,) = hear([("on", onset, onset + length)])
    assert abs(fired.start - onset) <= round(0.15 * RATE)
