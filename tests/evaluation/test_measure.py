from __future__ import annotations

from math import exp, factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kws.decision import GateSettings
from kws.evaluation.curves import compared, sweep, together
from kws.evaluation.labels import LabelledWord
from kws.evaluation.matching import tolerances
from kws.evaluation.measure import Figures, decide, figures, judge, percent, poisson, seconds, wilson
from kws.evaluation.mistakes import MISSED, NO_WORD, OTHER_WORD, confusion, find_mistakes, timeline
from kws.evaluation.scoring import ScoredStream
from kws.evaluation.stream import OperatingPoint, evaluate
from tests.support.posteriors import KEYWORDS, Activation, heard, settings

#: Six words and their outcomes: a late hit and its duplicate; a near miss; a wrong word; an early hit; a false accept
#: on a word that is no keyword; and a miss without a trace.
LABELS = (
    LabelledWord(2, 2.5, "on"), LabelledWord(6, 6.5, "on"), LabelledWord(10, 10.5, "off"),
    LabelledWord(14, 14.5, "stop"), LabelledWord(18, 18.5, "own"), LabelledWord(22, 22.5, "off"),
)  # fmt: skip
ACTIVATIONS = (
    Activation("on", 2.7), Activation("on", 3.1), Activation("on", 6.6, 0.7), Activation("stop", 10.6, 0.9),
    Activation("stop", 14.4), Activation("on", 18.6, 0.85), Activation("off", 40, 0.99), Activation("off", 50, 0.83),
)  # fmt: skip


def scene() -> ScoredStream:
    return heard(ACTIVATIONS, LABELS, seconds=360.0)


def operation(stream: ScoredStream) -> OperatingPoint:
    return evaluate([stream], settings()).as_set


def test_every_figure_of_a_scene() -> None:
    measured = operation(scene())
    assert {
        keyword: (each.said, each.hits, each.misses, each.duplicates, each.wrong, each.false)
        for keyword, each in measured.keywords.items()
    } == {"on": (2, 1, 1, 1, 0, 1), "off": (2, 0, 2, 0, 0, 2), "stop": (1, 1, 0, 0, 1, 0)}
    total = measured.total
    assert (total.said, total.hits, total.misses, total.duplicates, total.wrong, total.false) == (5, 2, 3, 1, 1, 3)
    assert total.hours == 0.1
    assert total.miss_rate == 0.6
    assert total.false_rate == pytest.approx(30)
    assert sorted(total.latencies) == pytest.approx([-0.1, 0.2])
    assert total.latency(50) == pytest.approx(0.05)
    assert measured.of(["on", "stop"]).said == 3


def test_who_was_taken_for_whom() -> None:
    counts = confusion(operation(scene()))
    found = {(said, heard): count for said, row in counts.items() for heard, count in row.items() if count}
    assert found == {
        ("on", "on"): 1, ("on", MISSED): 1, ("off", "stop"): 1, ("off", MISSED): 2, ("stop", "stop"): 1,
        (OTHER_WORD, "on"): 1, (NO_WORD, "off"): 2,
    }  # fmt: skip
    assert set(counts) == {*KEYWORDS, OTHER_WORD, NO_WORD}


def test_what_went_wrong_comes_worst_first_and_by_turns() -> None:
    measured = operation(scene())
    wrong = find_mistakes(measured, tolerances(measured.settings))
    assert [(each.keyword, each.kind, round(each.peak, 2)) for each in wrong] == [
        ("off", "false accept", 0.99),
        ("off", "miss", 0.0),
        ("on", "duplicate", 0.95),
        ("off", "miss", 0.0),
        ("stop", "wrong word", 0.9),
        ("on", "miss", 0.7),
        ("on", "false accept", 0.85),
        ("off", "false accept", 0.83),
    ]
    assert wrong[0].place == "made.wav at 40.00 s"


def test_the_scores_about_a_miss() -> None:
    measured = operation(scene())
    near = next(
        each for each in find_mistakes(measured, tolerances(measured.settings)) if each.peak > 0.5 and not each.verdict
    )
    line = timeline(near, measured.settings)
    assert line.times[0] == pytest.approx(6.5 - 1.25)
    assert line.times[-1] == pytest.approx(7.5)
    high = line.times[line.averages > 0.5]
    assert (high[0], high[-1]) == pytest.approx((6.6, 6.75))
    assert line.posteriors.max() == pytest.approx(0.7)
    assert line.rival == "_silence_"
    assert line.rivals.min() == pytest.approx(0.3)


def test_scores_at_the_edges_of_a_stream() -> None:
    # The word is over before the first window ends, and another is cut off by the end.
    measured = operation(heard([], [LabelledWord(0.1, 0.4, "on"), LabelledWord(9.8, 10, "off")], seconds=10.0))
    first, last = find_mistakes(measured, tolerances(measured.settings))
    assert timeline(first, measured.settings).times.tolist() == pytest.approx([1 + 0.05 * i for i in range(9)])
    assert timeline(last, measured.settings).times[-1] == pytest.approx(11)


def test_the_gate_counts_as_it_is_set_and_the_sweep_leaves_it_open() -> None:
    gated = replace(settings(), gate=GateSettings(wake_words=("stop",), seconds=2.0))
    stream = heard(
        [Activation("on", 2.7), Activation("stop", 8.5), Activation("on", 9.5)],
        [LabelledWord(2, 2.5, "on"), LabelledWord(9, 9.4, "on")],
    )
    evaluation = evaluate([stream], gated)
    assert evaluation.as_set.keywords["on"].hits == 1
    assert evaluation.recommended.keywords["on"].hits == 2
    assert evaluation.curves["on"].misses[0] == 0


def test_a_keyword_that_is_switched_off_does_not_count() -> None:
    evaluation = evaluate([scene()], settings().with_keyword("off", on=False))
    assert (
        list(evaluation.as_set.keywords) == list(evaluation.curves) == list(evaluation.choice.picks) == ["on", "stop"]
    )
    # Neither its two labels nor its two false accepts. "stop" on one of its labels is now a false accept.
    total = evaluation.as_set.total
    assert (total.said, total.misses, total.wrong, total.false) == (3, 1, 0, 2)


def test_each_threshold_of_the_sweep_is_what_the_decision_layer_makes_of_it() -> None:
    streams, chosen = [scene(), heard([Activation("off", 5.0, 0.6), Activation("on", 9.0, 0.97)])], settings()
    allowed = tolerances(chosen)
    thresholds = (0.1, 0.5, 0.69, 0.71, 0.84, 0.86, 0.96, 0.99)
    curves = sweep(streams, chosen, allowed, thresholds=thresholds)
    for keyword, curve in curves.items():
        for place, threshold in enumerate(thresholds):
            at = chosen.with_threshold(keyword, threshold)
            judged = [judge(stream, KEYWORDS, decide(stream, at), allowed) for stream in streams]
            figure = figures(judged, [keyword])
            found = (curve.misses[place], curve.duplicates[place], curve.wrong[place], curve.false[place])
            assert found == (figure.misses, figure.duplicates, figure.wrong, figure.false)
            assert curve.false_rate[place] == figure.false_rate
    whole = together(list(curves.values()))
    np.testing.assert_array_equal(whole.false, sum(curve.false for curve in curves.values()))
    assert whole.said == 5


def test_false_accepts_on_labelled_words_are_told_from_those_elsewhere() -> None:
    stream = heard(
        [Activation("on", 2.3), Activation("on", 9.0), Activation("on", 12.0)],
        [LabelledWord(2.0, 2.5, "tree"), LabelledWord(20.0, 20.5, "on")],
    )
    curve = sweep([stream], settings(), tolerances(settings()), thresholds=(0.5, 0.99))["on"]
    assert (curve.false.tolist(), curve.on_others.tolist()) == ([3, 0], [1, 0])
    assert curve.open_hours * 3600 == pytest.approx(60 - 2 * 1.25)


def test_keywords_that_nobody_said_are_left_out_of_comparisons() -> None:
    curves = sweep([heard([], [LabelledWord(2, 2.5, "on")])], settings(), tolerances(settings()))
    assert list(compared(curves)) == ["on"]
    curves = sweep([heard([])], settings(), tolerances(settings()))
    assert list(compared(curves)) == list(KEYWORDS)


def test_nothing_said_and_nothing_heard() -> None:
    none = Figures(said=0, hits=0, duplicates=0, wrong=0, false=0, excused=0, hours=2.0)
    assert (none.miss_rate, none.miss_range, none.latency(50), none.false_rate) == (None, None, None, 0.0)
    assert none.false_range[0] == 0
    assert none.false_range[1] == pytest.approx(3.69 / 2, rel=0.02)


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_intervals(count: int, total: int, low: float, high: float) -> None:
    # The last is the worked example of R. G. Newcombe, Statistics in Medicine 17 (1998) 857.
    assert wilson(count, total) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(0, 100))
def test_poisson_intervals_are_near_the_exact_ones(count: int) -> None:
    low, high = poisson(count)

    def at_most(number: int, mean: float) -> float:
        return sum(exp(-mean) * mean**i / factorial(i) for i in range(number + 1))

    assert at_most(count, high) == pytest.approx(0.025, rel=0.1)
    if count:
        # For one and two, the approximation is a little too wide.
        assert 1 - at_most(count - 1, low) == pytest.approx(0.025, rel=0.1 if count > 4 else 0.8)
    else:
        assert low == 0


def test_figures_as_people_write_them() -> None:
    assert [percent(0.0), percent(1 / 3), percent(1.0)] == ["0.0 %", "33.3 %", "100.0 %"]
    assert [seconds(None), seconds(-0.001), seconds(-0.256), seconds(0.3)] == ["", "0.00 s", "-0.26 s", "0.30 s"]
