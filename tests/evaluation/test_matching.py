"""Matching detections to words, on cases small enough to check by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.evaluation.labels import LabelledWord
from kws.evaluation.matching import Fire, Judge, Kind, tolerances
from kws.evaluation.scoring import Utterance
from tests.support.posteriors import KEYWORDS, heard, settings

LETTERS = {Kind.HIT: "h", Kind.DUPLICATE: "d", Kind.WRONG: "w", Kind.FALSE: "f", Kind.EXCUSED: "e"}
ON, OFF = LabelledWord(1.0, 1.5, "on"), LabelledWord(1.9, 2.4, "off")
TOLERANCE = dict.fromkeys(KEYWORDS, 0.75)


def judged(keyword: str, times: list[float], *labels: LabelledWord) -> str:
    """A letter for each detection, in order of time."""
    ask = Judge(heard([], labels), KEYWORDS, TOLERANCE)
    return "".join(LETTERS[verdict.kind] for verdict in ask(keyword, [Fire(time, 0.9) for time in times]))


def test_a_hit() -> None:
    assert judged("on", [1.6], ON) == "h"


@pytest.mark.parametrize(
    ("time", "letter"),
    [(0.99, "f"), (1.0, "h"), (1.2, "h"), (1.5, "h"), (2.25, "h"), (2.26, "f")],
)
def test_from_the_start_of_the_word_to_the_tolerance_after_its_end(time: float, letter: str) -> None:
    assert judged("on", [time], ON) == letter


def test_the_second_detection_of_a_word_is_a_double() -> None:
    assert judged("on", [1.3, 1.6, 2.0], ON) == "hdd"


def test_another_keyword_on_a_word_is_a_wrong_word() -> None:
    assert judged("off", [1.6], ON) == "w"


def test_where_nobody_spoke_it_is_false() -> None:
    assert judged("on", [0.5, 5.0]) == "ff"
    assert judged("on", [0.5, 5.0], ON) == "ff"


def test_a_word_that_is_no_keyword_makes_it_false() -> None:
    assert judged("on", [1.6], LabelledWord(1.0, 1.5, "own")) == "f"


@pytest.mark.parametrize(
    ("labels", "seconds"),
    [
        ((), 0.0),
        ((ON,), 1.25),
        ((ON, OFF), 2.15),  # from 1 s to 3.15 s, without a pause
        ((ON, LabelledWord(1.1, 1.2, "off")), 1.25),
        ((LabelledWord(58.0, 59.5, "on"),), 2.0),  # the stream ends after 60 s
    ],
)
def test_the_time_within_reach_of_words(labels: tuple[LabelledWord, ...], seconds: float) -> None:
    assert Judge(heard([], labels), KEYWORDS, TOLERANCE).reached("on") == pytest.approx(seconds)


def test_neighbouring_words_each_have_their_own() -> None:
    # They are 0.4 s apart: each detection belongs to its own word, even in the time of the other.
    assert judged("on", [2.2], ON, OFF) == "h"
    assert judged("off", [2.0], ON, OFF) == "h"
    assert judged("off", [1.8], ON, OFF) == "w"


def test_what_is_too_much_belongs_to_the_word_that_ended_nearest() -> None:
    assert judged("on", [1.6, 1.8], ON, OFF) == "hd"
    assert judged("on", [1.6, 2.2], ON, OFF) == "hw"
    assert judged("stop", [1.85], ON, OFF) == "w"


def test_the_same_word_twice_in_a_row() -> None:
    again = LabelledWord(1.9, 2.4, "on")
    assert judged("on", [1.6, 2.5], ON, again) == "hh"
    assert judged("on", [1.6, 1.8, 2.5], ON, again) == "hdh"
    # One detection is one hit, and the other word is missed.
    assert judged("on", [2.0], ON, again) == "h"
    # Late and early: both words were heard, whichever way round.
    assert judged("on", [2.0, 2.1], ON, again) == "hh"


def test_verdicts_name_their_word_and_how_late_they_were() -> None:
    ask = Judge(heard([], [ON, OFF]), KEYWORDS, TOLERANCE)
    verdicts = ask("off", [Fire(2.1, 0.8), Fire(1.7, 0.9), Fire(9.0, 0.7)])
    assert [(each.time, each.score, each.kind, each.label) for each in verdicts] == [
        (1.7, 0.9, Kind.WRONG, ON),
        (2.1, 0.8, Kind.HIT, OFF),
        (9.0, 0.7, Kind.FALSE, None),
    ]
    assert verdicts[1].latency == pytest.approx(-0.3)


def test_a_keyword_that_waits_for_quiet_may_come_later() -> None:
    chosen = settings(quiet_after=0.5)
    assert tolerances(settings()) == TOLERANCE
    assert tolerances(chosen) == pytest.approx(dict.fromkeys(KEYWORDS, 0.75 + 0.5 + 0.15))
    assert tolerances(chosen, 0.1)["on"] == pytest.approx(0.1 + 0.5 + 0.15)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[list[LabelledWord], list[float]]:
    """Words one after the other, some close, and detections anywhere; all in tenths of a second."""
    labels, time = [], 0
    for _ in range(draw(st.integers(0, 6))):
        time += draw(st.integers(0, 8))
        length = draw(st.integers(1, 6))
        labels.append(LabelledWord(time / 10, (time + length) / 10, draw(st.sampled_from(["on", "off"]))))
        time += length
    return labels, [tenth / 10 for tenth in draw(st.lists(st.integers(0, 90), max_size=8, unique=True))]


def most_hits(labels: list[LabelledWord], times: list[float]) -> int:
    """The largest number of labels that detections can be given to, by trying all."""
    if not times:
        return 0
    first, rest = times[0], times[1:]
    best = most_hits(labels, rest)
    for label in labels:
        if label.start <= first <= label.end + 0.75:
            best = max(best, 1 + most_hits([each for each in labels if each is not label], rest))
    return best


@given(scenes())
def test_there_are_as_many_hits_as_there_can_be(scene: tuple[list[LabelledWord], list[float]]) -> None:
    labels, times = scene
    letters = judged("on", times, *labels)
    assert len(letters) == len(times)
    assert letters.count("h") == most_hits([label for label in labels if label.word == "on"], times)


def speech(*said: dict[str, int]) -> list[Utterance]:
    """Recordings of four seconds, one second apart, from second 1 on."""
    return [Utterance(Path(f"{i}.flac"), 1 + 5 * i, 5 + 5 * i, words) for i, words in enumerate(said)]


def excused(keyword: str, fires: list[tuple[float, float]], *said: dict[str, int]) -> str:
    ask = Judge(heard([], utterances=speech(*said)), KEYWORDS, TOLERANCE)
    return "".join(LETTERS[verdict.kind] for verdict in ask(keyword, [Fire(*fire) for fire in fires]))


def test_a_transcript_excuses_as_many_as_it_has() -> None:
    assert excused("on", [(2.0, 0.9), (3.0, 0.9), (4.0, 0.9)], {"on": 2}) == "eef"
    assert excused("off", [(2.0, 0.9)], {"on": 2}) == "f"


def test_the_surest_are_excused() -> None:
    assert excused("on", [(2.0, 0.8), (3.0, 0.9), (4.0, 0.95)], {"on": 1}) == "ffe"


def test_each_recording_has_a_transcript_of_its_own() -> None:
    assert excused("on", [(2.0, 0.9), (7.0, 0.9), (12.0, 0.9)], {"on": 1}, {}, {"on": 1}) == "efe"


def test_what_is_heard_in_the_silence_after_a_recording_is_of_it() -> None:
    assert excused("on", [(5.4, 0.9), (6.1, 0.9)], {"on": 1}, {}) == "ef"
    verdicts = Judge(heard([], utterances=speech({}, {})), KEYWORDS, TOLERANCE)("on", [Fire(5.9, 0.9)])
    assert verdicts[0].utterance
    assert verdicts[0].utterance.path == Path("0.flac")
