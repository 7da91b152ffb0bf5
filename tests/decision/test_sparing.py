"""Windows that the decisions take without posteriors, and ask for once one depends on them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.decision import Decider, DecisionSettings, Fired
from kws.types import Float32Array
from tests.support.examples import examples

from .spoken import ASKED, EIGHTHS, HOP, LABELS, LAG, WINDOW, levels, posteriors, settings, silences, step_all


def spare(heard: str, sound: str, chosen: DecisionSettings) -> tuple[list[Fired], list[int], int]:
    """Leave out as many windows as may be; return what fires, which windows are asked for, and how many left out."""
    rows, newest = posteriors(heard), 0
    asked: list[int] = []

    def score(ago: int) -> Float32Array:
        asked.append(newest - ago)
        row: Float32Array = rows[newest - ago]
        return row

    decider = Decider(LABELS, chosen, score=score)
    fired: list[Fired] = []
    in_a_row = left_out = 0
    loudness = levels(sound)
    for newest, (level, silent) in enumerate(zip(loudness, silences(loudness), strict=True)):
        leave = decider.calm and in_a_row < decider.delay
        in_a_row = in_a_row + 1 if leave else 0
        left_out += leave
        fired += decider.step(None if leave else rows[newest], WINDOW + newest * HOP, level, silent=silent).fired
    return fired, asked, left_out


@examples(200)
@given(
    parts=st.lists(
        st.tuples(st.sampled_from([*EIGHTHS, ".", "?", "f"]), st.integers(3, 40), st.sampled_from("-=#")),
        min_size=1, max_size=8,
    ),
    smoothing=st.sampled_from([0.05, 0.1, 0.2, 0.4]),
    threshold=st.sampled_from([0.3, 0.5, 0.75]),
    speech=st.sampled_from([(0.0, 120.0), (0.5, 120.0), (1.0, 6.0)]),
)  # fmt: skip
def test_the_same_fires_as_with_every_window(
    parts: list[tuple[str, int, str]], smoothing: float, threshold: float, speech: tuple[float, float]
) -> None:
    chosen = settings(
        smoothing=smoothing, threshold=threshold, release=0.6 * threshold, near=0.8 * threshold,
        speech_before=speech[0], speech_margin=speech[1],
    )  # fmt: skip
    heard = "".join(letter * windows for letter, windows, _ in parts)
    sound = "".join(level * windows for _, windows, level in parts)
    fired, asked, _ = spare(heard, sound, chosen)
    decisions = step_all(Decider(LABELS, chosen), heard, sound)
    assert fired == [one for decision in decisions for one in decision.fired]
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize(("before", "counts"), [("#", True), ("=", False)])
def test_the_speech_before_a_word_is_asked_for_where_it_counts(before: str, counts: bool) -> None:
    """Talk as loud as the word, and talk 20 dB fainter."""
    chosen = settings(smoothing=0.2, speech_before=0.2, speech_margin=6.0, threshold=0.55, release=0.4, near=0.4)
    talk = 60 + LAG
    heard, sound = "?" * talk + "oooo", before * talk + "####"
    fired, asked, left_out = spare(heard, sound, chosen)
    assert fired == [one for decision in step_all(Decider(LABELS, chosen), heard, sound) for one in decision.fired]
    assert left_out > 30
    # An average of four windows reaches the threshold with the third of the word, and only then is the talk asked for.
    context = range(talk + 3 - LAG - ASKED, talk + 3 - LAG)
    of_context = [window for window in asked if window in context]
    assert set(asked) <= {*range(talk - 3, talk + 1), *context}
    assert len(of_context) == (ASKED / 2 if counts else 0)


def test_where_nothing_comes_near_nothing_is_asked_for() -> None:
    fired, asked, left_out = spare("?" * 60 + "111111" + "." * 20, "#" * 86, settings(smoothing=0.1, speech_before=1.0))
    assert (fired, asked) == ([], [])
    assert left_out > 30
