"""Each utterance that came near and did not fire is reported once, when it is over, with what stood against it."""

from __future__ import annotations

from typing import Any

import pytest

from kws.decision import Decider, GateOptions, NearMiss, Reason

from .spoken import HOP, LABELS, WINDOW, settings, step_all

GATE = GateOptions(wake_words=("computer",))


def misses(heard: str, gate: GateOptions | None = None, **options: Any) -> list[tuple[int, int, float, Reason]]:
    """Return for each near miss of "on" the windows of its report and of its peak, its score and its reason."""
    decider = Decider(LABELS, settings(gate, **options))
    decisions = [*step_all(decider, heard), decider.reset()]
    assert all(miss.keyword == "on" for decision in decisions for miss in decision.near_misses)
    return [
        (window, (miss.end - WINDOW) // HOP, miss.score, miss.reason)
        for window, decision in enumerate(decisions)
        for miss in decision.near_misses
    ]


def test_it_is_a_value_with_all_that_a_person_tunes_by() -> None:
    decisions = list(step_all(Decider(LABELS, settings()), "..5.."))
    miss = NearMiss(keyword="on", score=0.625, threshold=0.75, end=WINDOW + 2 * HOP, reason=Reason.BELOW_THRESHOLD)
    assert [decision.near_misses for decision in decisions] == [(), (), (), (miss,), ()]
    assert str(miss.reason) == "below threshold"


def test_it_is_one_for_each_activation_with_its_peak() -> None:
    assert misses("..4454544..445....", near=0.5) == [
        (9, 6, 0.625, Reason.BELOW_THRESHOLD),
        (14, 13, 0.625, Reason.BELOW_THRESHOLD),
    ]


def test_a_activation_below_near_is_none() -> None:
    assert misses("..3444443..44..", release=0.25, near=0.625) == []
    assert misses("..3444543..44..", release=0.25, near=0.625) == [(9, 6, 0.625, Reason.BELOW_THRESHOLD)]


def test_a_activation_that_fires_is_none_before_or_after_its_peak() -> None:
    assert misses("..55678877665544..") == []
    assert misses("..55678874554554..", near=0.625) == []


@pytest.mark.parametrize(
    ("heard", "options", "expected"),
    [
        ("..4445444..", {}, (9, 5, 0.625, Reason.BELOW_THRESHOLD)),
        ("..344..", {"threshold": 0.5, "release": 0.25, "near": 0.25}, (5, 4, 0.5, Reason.NOT_LARGEST)),
        ("..o7...", {"patience": 3}, (4, 2, 1.0, Reason.NOT_PATIENT)),
        ("..oo..6o6..", {"refractory": 0.5}, (9, 7, 1.0, Reason.REFRACTORY)),
        ("..oo4oo6..", {"near": 0.625}, (8, 6, 1.0, Reason.HELD)),
        ("..6o766..", {"gate": GATE}, (7, 3, 1.0, Reason.GATE_CLOSED)),
    ],
)
def test_reasons(heard: str, options: dict[str, Any], expected: tuple[int, int, float, Reason]) -> None:
    assert misses(heard, **options) == [expected]


def test_the_reason_is_the_one_at_the_peak() -> None:
    # At its peak it was not the largest; above the threshold it was not patient.
    assert misses("..444..o..", patience=2, near=0.5) == [
        (5, 4, 0.5, Reason.BELOW_THRESHOLD),
        (8, 7, 1.0, Reason.NOT_PATIENT),
    ]


def test_the_gate_is_the_reason_of_the_whole_activation() -> None:
    # With patience the peak came first, but it was the gate that kept the word out.
    assert misses("..8766..", GATE, patience=3) == [(6, 2, 1.0, Reason.GATE_CLOSED)]


def test_a_second_peak_of_a_held_word_counts_only_if_it_would_have_fired() -> None:
    assert misses("..oo4554..", near=0.625) == []
    assert misses("..oo4664..", near=0.625) == [(8, 6, 0.75, Reason.HELD)]
    assert misses("..oo5oo5..", near=0.625) == []  # it never fell below near: one utterance


def test_what_is_under_way_when_the_segment_ends_is_reported_by_reset() -> None:
    assert misses("....55") == [(6, 5, 0.625, Reason.BELOW_THRESHOLD)]
    assert misses("....oo") == []
