"""The scale of scores: what a person reads and writes, and that decisions do not depend on it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kws.decision import Decider, KeywordOptions, Reason
from kws.decision.score_scale import PLAIN, ScoreScale
from kws.errors import UsageError
from kws.types import Float32Array
from tests.support.examples import examples

from . import spoken
from .spoken import WINDOW, settings
from .test_reference import SETTINGS, run, sixteenths

SCALES = st.tuples(st.floats(0.05, 0.94), st.floats(0.05, 0.94)).map(sorted).filter(lambda two: two[1] - two[0] > 0.01)


def test_the_two_averages_have_their_scores() -> None:
    scale = ScoreScale(0.62, 0.8)
    assert [scale.score(average) for average in (0.0, 0.31, 0.62, 0.71, 0.8, 0.9, 1.0)] == pytest.approx(
        [0.0, 0.25, 0.5, 0.7, 0.9, 0.95, 1.0]
    )
    assert scale.average(0.5) == 0.62
    assert scale.average(0.9) == 0.8


def test_without_a_scale_a_score_is_an_average() -> None:
    for average in (0.0, 0.1, 1 / 3, 0.5, 0.8, 0.9, 0.99, 1.0):
        assert PLAIN.score(average) == PLAIN.average(average) == average
    assert settings().keywords["on"].scale == PLAIN


@given(two=SCALES, average=st.floats(0, 1), other=st.floats(0, 1))
def test_a_score_rises_with_the_average_and_leads_back_to_it(two: list[float], average: float, other: float) -> None:
    scale = ScoreScale(*two)
    assert scale.average(scale.score(average)) == pytest.approx(average, abs=1e-9)
    assert 0 <= scale.score(average) <= 1
    if average < other:
        assert scale.score(average) <= scale.score(other)
    np.testing.assert_array_equal(scale.scores(np.array([average, other])), [scale.score(average), scale.score(other)])


@pytest.mark.parametrize("two", [(0.0, 0.9), (0.5, 0.5), (0.9, 0.5), (0.5, 1.0), (float("nan"), 0.9)])
def test_the_averages_must_rise(two: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match=r"keyword\.on\.score_scale: .* do not rise between 0 and 1"):
        settings(keyword={"on": KeywordOptions(score_scale=two)})


@examples(200)
@given(rows=sixteenths(), chosen=SETTINGS, two=SCALES)
def test_thresholds_carried_over_to_a_scale_decide_the_same(rows: Float32Array, chosen: Any, two: list[float]) -> None:
    """The same windows, starts and reasons; only scores and thresholds are on the scale."""
    scale = ScoreScale(*two)
    # Above an exact average by less than the averages differ, so that rounding does not decide.
    plain = {
        keyword: replace(its, **{name: getattr(its, name) - 1e-6 for name in ("threshold", "release", "near")})
        for keyword, its in chosen.keywords.items()
    }
    scaled = {
        keyword: replace(
            its,
            score_scale=tuple(two),
            **{name: scale.score(getattr(its, name)) for name in ("threshold", "release", "near")},
        )
        for keyword, its in plain.items()
    }
    before, after = (run(replace(chosen, keywords=keywords), rows) for keywords in (plain, scaled))
    for one, other in zip(before, after, strict=True):
        assert [replace(each, score=0.0) for each in one.fired] == [replace(each, score=0.0) for each in other.fired]
        assert [each.score for each in other.fired] == pytest.approx([scale.score(each.score) for each in one.fired])
        assert [(miss.keyword, miss.end, miss.reason) for miss in one.near_misses] == [
            (miss.keyword, miss.end, miss.reason) for miss in other.near_misses
        ]
        assert [miss.score for miss in other.near_misses] == pytest.approx(
            [scale.score(miss.score) for miss in one.near_misses]
        )


@examples(200)
@given(rows=sixteenths(), chosen=SETTINGS, two=SCALES)
def test_no_detection_scores_less_than_its_threshold(rows: Float32Array, chosen: Any, two: list[float]) -> None:
    keywords = {keyword: replace(its, score_scale=tuple(two)) for keyword, its in chosen.keywords.items()}
    for decision in run(replace(chosen, keywords=keywords), rows):
        for fired in decision.fired:
            assert keywords[fired.keyword].threshold <= fired.score <= 1
        for miss in decision.near_misses:
            assert miss.threshold == keywords[miss.keyword].threshold
            if miss.reason is Reason.BELOW_THRESHOLD:
                assert miss.score <= miss.threshold


def test_a_threshold_set_while_it_runs_is_on_the_scale() -> None:
    chosen = settings(threshold=0.5, release=0.3, near=0.4, score_scale=(0.25, 0.75))
    row = np.array([0.3, 0.3, 0.375, 0.0, 0.025], np.float32)  # the average 0.375 has the score 0.6

    def fires(threshold: float) -> bool:
        decider = Decider(spoken.LABELS, chosen)
        decider.set_threshold("on", threshold)
        return bool(decider.step(row, WINDOW).fired)

    assert fires(0.59)
    assert not fires(0.61)
