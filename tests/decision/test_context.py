"""A word amid other words: what the network called the windows before it counts against it."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.decision import Decider, DecisionSettings, Fired, GateOptions, KeywordOptions, Reason
from kws.decision.context import Context
from kws.decision.keyword import Grid
from kws.decision.settings import LARGEST_MARGIN
from kws.errors import UsageError
from kws.evaluation.posterior_cache import PosteriorCache
from kws.types import SILENCE, UNKNOWN
from tests.support.examples import examples

from .spoken import ASKED, HOP, LABELS, LAG, WINDOW, levels, posteriors, settings, silences, step_all

LEVELS = (-30.0, -40.0, -22.0, -31.0, -28.0, -60.0, -29.0, -35.0, -25.0)  # of windows, over and over
GRID = Grid(sample_rate=16000, hop=HOP, window=WINDOW)


def word(before: str, after: str = "...") -> tuple[str, str]:
    """Return the sound before a word, then the word, loud all along."""
    heard = before + "oooo" + after
    return heard, "#" * len(heard)


def decide(heard: str, sound: str, chosen: DecisionSettings) -> list[Fired]:
    decisions = step_all(Decider(LABELS, chosen), heard, sound)
    return [fired for decision in decisions for fired in decision.fired]


def test_a_word_after_silence_keeps_its_score() -> None:
    [fired] = decide(*word("." * 60), settings(speech_before=1.0))
    assert fired.score == 1.0


def test_a_word_after_speech_does_not_fire() -> None:
    assert decide(*word("?" * 60), settings(speech_before=1.0)) == []
    assert [fired.score for fired in decide(*word("?" * 60), settings())] == [1.0]


@pytest.mark.parametrize("speech", [0, 6, 15, 24, 30])
def test_a_score_falls_in_proportion_to_the_speech_before(speech: int) -> None:
    """The newest windows asked end a second before the word's first: 20 windows ago, 30 of them."""
    before = "." * 30 + "?" * speech + "." * (ASKED - speech) + "." * (LAG - 1)
    [fired] = decide(*word(before), settings(speech_before=0.5, threshold=0.4, release=0.4, near=0.4))
    assert fired.score == 1 - 0.5 * (speech / ASKED)


def test_windows_that_share_sound_with_the_word_are_not_asked() -> None:
    # The word's own beginning is no speech before it.
    [fired] = decide(*word("." * 60 + "?" * (LAG - 1)), settings(speech_before=1.0))
    assert fired.score == 1.0
    [fired] = decide(*word("." * 60 + "?" * LAG), settings(speech_before=1.0))
    assert fired.score == 1 - 1 / ASKED


def test_speech_that_is_long_gone_is_forgotten() -> None:
    [fired] = decide(*word("?" * 40 + "." * (LAG + ASKED - 1)), settings(speech_before=1.0))
    assert fired.score == 1.0


def test_other_keywords_before_it_are_no_speech() -> None:
    heard, sound = word("c" * 60)
    assert [fired.keyword for fired in decide(heard, sound, settings(speech_before=1.0))] == ["computer", "on"]


def test_a_new_segment_knows_of_no_speech() -> None:
    decider = Decider(LABELS, settings(speech_before=1.0))
    list(step_all(decider, "?" * 60, "#" * 60))
    decider.reset()
    decisions = list(step_all(decider, "....oo", "#" * 6))
    assert [fired.score for decision in decisions for fired in decision.fired] == [1.0]


def test_speech_fainter_than_the_margin_does_not_count() -> None:
    """Talk 20 dB below the word. No window that counts shares sound with the word, so all are fainter by that."""
    heard = "?" * 60 + "." * (LAG - 1) + "oooo"
    sound = "=" * (60 + LAG - 1) + "####"
    for margin, score in ((19.0, 1.0), (20.0, 0.5), (LARGEST_MARGIN, 0.5)):
        chosen = settings(speech_before=0.5, speech_margin=margin, threshold=0.4, release=0.4, near=0.4)
        [fired] = decide(heard, sound, chosen)
        assert fired.score == score


def test_speech_as_loud_as_the_word_counts_in_spite_of_pauses() -> None:
    # The level of a window is that of its loudest hop, and a sentence has faint hops too.
    heard = "?" * 79 + "oooo"
    sound = ("#===" * 20)[:79] + "#==#"
    [fired] = decide(heard, sound, settings(speech_before=0.5, speech_margin=6, threshold=0.4, release=0.4, near=0.4))
    assert fired.score == 0.5


def test_keywords_may_have_margins_of_their_own() -> None:
    chosen = settings(keyword={"on": KeywordOptions(speech_margin=10.0)}, speech_before=1.0)
    assert [fired.keyword for fired in decide("?" * 60 + "oooo...", "=" * 60 + "#######", chosen)] == ["on"]
    assert decide("?" * 60 + "ffff...", "=" * 60 + "#######", chosen) == []


def test_what_speech_stood_against_is_a_near_miss_that_says_so() -> None:
    decider = Decider(LABELS, settings(speech_before=0.5))
    decisions = list(step_all(decider, *word("?" * 60)))
    [miss] = [miss for decision in decisions for miss in decision.near_misses]
    assert (miss.reason, miss.score, miss.threshold) == (Reason.IN_SPEECH, 1.0, 0.75)


def test_a_keyword_may_be_exempt() -> None:
    chosen = settings(keyword={"computer": KeywordOptions(speech_before=0.0)}, speech_before=1.0)
    heard = "?" * 60 + "cccc" + "..." + "?" * 60 + "oooo" + "..."
    assert [fired.keyword for fired in decide(heard, "#" * len(heard), chosen)] == ["computer"]


@examples(100)
@given(
    heard=st.integers(1, 90).flatmap(lambda windows: st.binary(min_size=windows, max_size=windows)),
    margin=st.sampled_from([6.0, LARGEST_MARGIN]),
    early=st.booleans(),
)
def test_what_was_not_scored_counts_once_it_is(heard: bytes, margin: float, early: bool) -> None:
    """At the end, or already in the window after it; but a silent window counts as no speech either way."""
    unknown = [byte & 7 for byte in heard]
    not_scored = {window for window, byte in enumerate(heard) if byte & 8}
    silent = {window for window, byte in enumerate(heard) if byte & 48 == 48}
    context, expected = Context(GRID), Context(GRID)
    for window, eighths in enumerate(unknown):
        level = LEVELS[window % 9]
        context.push(None if window in not_scored else eighths / 8, level, silent=window in silent)
        expected.push(eighths / 8, level, silent=window in silent)
        if early and window - 1 in not_scored:
            context.amend(1, unknown[window - 1] / 8)
    asked = context.unscored(margin)
    assert {len(unknown) - 1 - ago for ago in asked} <= not_scored - silent
    for ago in asked:
        context.amend(ago, unknown[len(unknown) - 1 - ago] / 8)
    assert context.unscored(margin) == []
    assert context.speech(margin) == expected.speech(margin)


def test_nothing_counts_against_a_command_that_a_wake_word_announced() -> None:
    gate = GateOptions(wake_words=("computer",), seconds=2)
    chosen = settings(gate, {"computer": KeywordOptions(speech_before=0.0)}, speech_before=1.0)
    heard = "?" * 60 + "cccc" + "..." + "oooo" + "." * 60 + "?" * 60 + "oooo..."
    fired = decide(heard, "#" * len(heard), chosen)
    assert [(one.keyword, one.score, one.wake) for one in fired] == [("computer", 1.0, None), ("on", 1.0, "computer")]


def test_the_noise_floor_is_no_speech_whatever_the_network_calls_it() -> None:
    # Five seconds for the floor to be known, then the whole context within it.
    heard = "?" * 160 + "oooo"
    quiet = "-" * 160 + "####"
    [fired] = decide(heard, quiet, settings(speech_before=1.0))
    assert fired.score == 1.0
    assert decide(heard, "#" * len(heard), settings(speech_before=1.0)) == []


@pytest.mark.parametrize("margin", [-1.0, 121.0])
def test_the_margin_is_a_difference_of_levels(margin: float) -> None:
    with pytest.raises(UsageError, match=rf"decision\.speech_margin: {margin:g} is not within 0 to 120"):
        settings(speech_margin=margin)


@pytest.mark.parametrize("weight", [-0.1, 1.1])
def test_the_weight_is_a_share(weight: float) -> None:
    with pytest.raises(UsageError, match=rf"decision\.speech_before: {weight} is not within 0 to 1"):
        settings(speech_before=weight)


def test_a_model_without_unknown_words_has_no_speech() -> None:
    chosen = settings(speech_before=0.5)
    with pytest.raises(ValueError, match="no label _unknown_"):
        Decider((SILENCE, "on", "off", "computer"), chosen)


def test_levels_are_needed() -> None:
    with pytest.raises(ValueError, match="each window needs its level"):
        list(step_all(Decider(LABELS, settings(speech_before=0.5)), "...."))
    with pytest.raises(ValueError, match="each window needs its level"):
        PosteriorCache(LABELS, posteriors("....")).reduced("on", settings(speech_before=0.5))


LETTERS = st.lists(
    st.tuples(st.sampled_from(".?of4"), st.sampled_from("-=#"), st.integers(1, 40)), min_size=1, max_size=12
)


def spelled(runs: list[tuple[str, str, int]]) -> tuple[str, str]:
    return "".join(letter * n for letter, _, n in runs), "".join(level * n for _, level, n in runs)


@given(runs=LETTERS, scale=st.floats(0.1, 1), margin=st.sampled_from([0.0, 19.0, 20.0, 39.0, LARGEST_MARGIN]))
def test_speech_is_the_mean_by_definition(runs: list[tuple[str, str, int]], scale: float, margin: float) -> None:
    heard, sound = spelled(runs)
    unknown = posteriors(heard)[:, LABELS.index(UNKNOWN)] * np.float32(scale)
    loudness = levels(sound)
    spoken = [Fraction(round(float(value) * 2**30), 2**30) for value in unknown]
    silent = silences(loudness)
    spoken = [Fraction(0) if quiet else value for quiet, value in zip(silent, spoken, strict=True)]
    loudest = [max(loudness[max(0, window - LAG + 1) : window + 1]) for window in range(len(spoken))]
    expected = []
    for window in range(len(spoken)):
        asked = range(max(0, window - LAG - ASKED + 1), max(0, window - LAG + 1))
        near = [spoken[one] for one in asked if loudest[one] >= loudest[window] - margin]
        expected.append(float(sum(near, Fraction(0)) / ASKED))
    context, streamed = Context(GRID), []
    for value, level, quiet in zip(unknown.tolist(), loudness, silent, strict=True):
        context.push(value, level, silent=quiet)
        streamed.append(context.speech(margin))
    assert streamed == expected


@examples(100)
@given(
    runs=LETTERS,
    weight=st.sampled_from([0.25, 0.5, 1.0]),
    smoothing=st.sampled_from([0.05, 0.2]),
    margin=st.sampled_from([10.0, 30.0, LARGEST_MARGIN]),
)
def test_a_whole_stream_at_once_is_the_same(
    runs: list[tuple[str, str, int]], weight: float, smoothing: float, margin: float
) -> None:
    heard, sound = spelled(runs)
    chosen = settings(speech_before=weight, speech_margin=margin, smoothing=smoothing, threshold=0.6)
    decider = Decider(LABELS, chosen)
    steps = [*step_all(decider, heard, sound), decider.reset()]
    segment = PosteriorCache(LABELS, posteriors(heard), first_end=WINDOW, levels=levels(sound))
    assert segment.decide(chosen) == [decision for decision in steps if decision]
