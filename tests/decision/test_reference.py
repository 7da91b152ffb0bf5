"""Properties: the decision layer against its slow definition, and against itself in other ways of running."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kws.decision import Decider, Decision, DecisionSettings, GateSettings, KeywordSettings
from kws.evaluation.posterior_cache import PosteriorCache
from kws.types import SILENCE, Float32Array
from tests.support.examples import examples

from .reference import Reference
from .spoken import HOP, WINDOW

LABELS = (SILENCE, "on", "off")


@st.composite
def sixteenths(draw: st.DrawFn) -> Float32Array:
    """Posteriors ``(windows, labels)`` in sixteenths that stay what they are for some windows, as words do."""
    rows: list[list[float]] = []
    for _ in range(draw(st.integers(1, 16))):
        on = draw(st.integers(0, 16))
        off = draw(st.integers(0, 16 - on))
        rows += [[(16 - on - off) / 16, on / 16, off / 16]] * draw(st.integers(1, 6))
    return np.array(rows, np.float32)


@st.composite
def keyword_settings(draw: st.DrawFn) -> KeywordSettings:
    threshold = draw(st.integers(2, 16))
    release = draw(st.integers(1, threshold))
    return KeywordSettings(
        threshold=threshold / 16,
        release=release / 16,
        near=draw(st.integers(release, threshold)) / 16,
        smoothing=draw(st.integers(1, 4)) * 0.05,
        patience=draw(st.integers(1, 3)),
        refractory=draw(st.integers(0, 12)) * 0.05,
    )


GATES = st.none() | st.builds(
    GateSettings,
    wake_words=st.sampled_from([("off",), ("on",), ("on", "off")]),
    seconds=st.integers(2, 20).map(lambda windows: windows * 0.05),
    extend=st.booleans(),
)
SETTINGS = st.builds(
    DecisionSettings, keywords=st.fixed_dictionaries({"on": keyword_settings(), "off": keyword_settings()}), gate=GATES
)


def with_isolation(chosen: DecisionSettings) -> st.SearchStrategy[DecisionSettings]:
    """The same, and "on" asks for up to four windows of quiet before and after it."""
    quiet = st.integers(0, 4).map(lambda windows: windows * 0.05)
    own = st.builds(chosen.keywords["on"].override, quiet_before=quiet, quiet_after=quiet)
    return own.map(lambda on: replace(chosen, keywords={**chosen.keywords, "on": on}))


def levels_of(rows: Float32Array) -> st.SearchStrategy[list[float]]:
    return st.lists(st.sampled_from([-60.0, -40.0, -20.0]), min_size=len(rows), max_size=len(rows))


def run(
    chosen: DecisionSettings, rows: Float32Array, first_end: int = WINDOW, levels: list[float] | None = None
) -> list[Decision]:
    """Return the decision on each window, and that at the end of the segment."""
    decider = Decider(LABELS, chosen)
    decisions = [
        decider.step(row, first_end + window * HOP, levels[window] if levels else None)
        for window, row in enumerate(rows)
    ]
    return [*decisions, decider.reset()]


@examples(200)
@given(rows=sixteenths(), chosen=SETTINGS)
def test_it_does_what_its_definition_says(rows: Float32Array, chosen: DecisionSettings) -> None:
    expected = Reference(LABELS, [[Fraction(float(value)) for value in row] for row in rows], chosen)
    decisions = run(chosen, rows)
    assert [
        (fired.keyword, window, fired.wake) for window, decision in enumerate(decisions) for fired in decision.fired
    ] == expected.fired
    assert [fired.score for decision in decisions for fired in decision.fired] == [
        expected.published(keyword, window) for keyword, window, _ in expected.fired
    ]
    missed = [
        (miss.keyword, (miss.end - WINDOW) // HOP, miss.score, miss.reason, window)
        for window, decision in enumerate(decisions)
        for miss in decision.near_misses
    ]
    assert sorted(missed) == sorted(expected.missed)


@examples(100)
@given(rows=sixteenths(), chosen=SETTINGS)
def test_one_activation_is_one_detection_at_most(rows: Float32Array, chosen: DecisionSettings) -> None:
    """Between two detections of a keyword its average was below release, and the refractory time went by."""
    decisions = run(chosen, rows)
    for column, keyword in enumerate(LABELS[1:], 1):
        ends = [fired.end for decision in decisions for fired in decision.fired if fired.keyword == keyword]
        averages = PosteriorCache(LABELS, rows).averages(chosen.windows(keyword))[:, column]
        for first, second in pairwise(ends):
            assert second - first >= round(chosen.keywords[keyword].refractory * 16000)
            between = averages[(first - WINDOW) // HOP : (second - WINDOW) // HOP]
            assert between.min() < chosen.keywords[keyword].release


@examples(100)
@given(rows=sixteenths(), chosen=SETTINGS, later=st.integers(0, 10**12))
def test_only_differences_of_positions_count(rows: Float32Array, chosen: DecisionSettings, later: int) -> None:
    now = run(chosen, rows)
    moved = [
        Decision(
            tuple(replace(fired, start=fired.start + later, end=fired.end + later) for fired in decision.fired),
            tuple(replace(miss, end=miss.end + later) for miss in decision.near_misses),
        )
        for decision in now
    ]
    assert run(chosen, rows, first_end=WINDOW + later) == moved


@examples(200)
@given(data=st.data(), chosen=SETTINGS.flatmap(with_isolation))
def test_a_new_segment_knows_nothing_of_the_one_before(data: st.DataObject, chosen: DecisionSettings) -> None:
    before, rows = data.draw(sixteenths()), data.draw(sixteenths())
    loudness, levels = data.draw(levels_of(before)), data.draw(levels_of(rows))
    decider = Decider(LABELS, chosen)
    for window, row in enumerate(before):
        decider.step(row, WINDOW + window * HOP, loudness[window])
    decider.reset()
    assert decider.idle
    begin = WINDOW + len(before) * HOP + 1  # one sample was lost
    again = [decider.step(row, begin + window * HOP, levels[window]) for window, row in enumerate(rows)]
    assert [*again, decider.reset()] == run(chosen, rows, begin, levels)


@examples(200)
@given(rows=sixteenths(), chosen=SETTINGS.flatmap(with_isolation), data=st.data())
def test_a_whole_stream_at_once_is_the_same(rows: Float32Array, chosen: DecisionSettings, data: st.DataObject) -> None:
    levels = data.draw(levels_of(rows))
    segment = PosteriorCache(LABELS, rows, first_end=48000, levels=levels)
    expected = [decision for decision in run(chosen, rows, 48000, levels) if decision]
    assert segment.decide(chosen) == expected
    assert segment.decide(chosen) == expected
