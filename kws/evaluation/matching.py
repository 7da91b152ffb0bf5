"""Matching detections to labelled words: hits, misses, wrong words, duplicates and false accepts.

The time of a detection is that of the decision. It may belong to a labelled word from the word's start (a word can be
certain before it ends) until the tolerance after its end. Each keyword is judged separately, its detections in order:

1. A detection is a *hit* of a label of its own word that has no hit yet. If several labels are possible, it takes the
   one whose time runs out first, which gives the largest number of hits.
2. Otherwise the possible label whose end is nearest decides: a *duplicate* if it is the keyword itself (and has a hit),
   a *wrong word* if it is another keyword, a *false accept* if it is some other word.
3. A detection without a possible label is a *false accept*.

In plain speech with a transcript, as many detections of a keyword are *excused* in each recording as its transcript has
the word, those with the highest scores. The others are false accepts.

A label without a hit is a *miss*.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from kws.decision import DecisionSettings
from kws.decision.isolation import SLACK
from kws.evaluation.labels import LabelledWord
from kws.evaluation.scoring import ScoredStream, Utterance

#: Seconds after a word's end in which its detection may come.
TOLERANCE = 0.75


class Kind(StrEnum):
    """The verdict on a detection."""

    HIT = "hit"
    DUPLICATE = "duplicate"
    WRONG = "wrong word"
    FALSE = "false accept"
    EXCUSED = "excused"


class Fire(NamedTuple):
    """A detection of one keyword: seconds from the start of the stream, and its score."""

    time: float
    score: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """A detection and its kind.

    Attributes:
        keyword: the detected keyword.
        time: of the decision, in seconds.
        score: of the detection.
        kind: the verdict.
        label: the labelled word at that time, if there is one.
        utterance: the recording of plain speech at that time, if there is one.
    """

    keyword: str
    time: float
    score: float
    kind: Kind
    label: LabelledWord | None = None
    utterance: Utterance | None = None

    @property
    def latency(self) -> float:
        """Seconds from the labelled end of the word to the decision; negative if the decision came first."""
        return self.time - self.label.end if self.label else 0.0


class Judge:
    """Judges the detections of one stream.

    Args:
        stream: the stream.
        keywords: of the model.
        tolerance: seconds after a word's end for each keyword, see :func:`tolerances`.
    """

    def __init__(self, stream: ScoredStream, keywords: Iterable[str], tolerance: Mapping[str, float]) -> None:
        self._stream = stream
        self._keywords = frozenset(keywords)
        self._tolerance = tolerance
        self._starts = [label.start for label in stream.labels]
        self._longest = max((label.end - label.start for label in stream.labels), default=0.0)

    def __call__(self, keyword: str, fires: Sequence[Fire]) -> list[Verdict]:
        """Return the verdict on each detection of a keyword, in order of time."""
        if self._stream.utterances:
            return self._excuse(keyword, fires)
        verdicts = []
        hit: set[int] = set()
        labels = self._stream.labels
        for fire in sorted(fires):
            places = self._within_reach(keyword, fire.time)
            own = [i for i in places if labels[i].word == keyword and i not in hit]
            if own:
                # All have the same tolerance, so the one that ends first runs out first.
                place = min(own, key=lambda i: labels[i].end)
                hit.add(place)
                verdicts.append(Verdict(keyword, *fire, Kind.HIT, labels[place]))
            elif places:
                label = labels[min(places, key=lambda i: abs(labels[i].end - fire.time))]
                verdicts.append(Verdict(keyword, *fire, self._kind(keyword, label.word), label))
            else:
                verdicts.append(Verdict(keyword, *fire, Kind.FALSE))
        return verdicts

    def reached(self, keyword: str) -> float:
        """Return the seconds of the stream in which a detection of a keyword belongs to a labelled word."""
        seconds, covered = 0.0, 0.0
        for label in self._stream.labels:
            end = min(label.end + self._tolerance[keyword], self._stream.seconds)
            seconds += max(0.0, end - max(label.start, covered))
            covered = max(covered, end)
        return seconds

    def _kind(self, keyword: str, said: str) -> Kind:
        if said == keyword:
            return Kind.DUPLICATE
        return Kind.WRONG if said in self._keywords else Kind.FALSE

    def _within_reach(self, keyword: str, time: float) -> list[int]:
        """Return the labels to which a detection at a time may belong."""
        labels, tolerance = self._stream.labels, self._tolerance[keyword]
        reached = []
        place = bisect_right(self._starts, time) - 1
        while place >= 0 and self._starts[place] + self._longest + tolerance >= time:
            if labels[place].end + tolerance >= time:
                reached.append(place)
            place -= 1
        return reached

    def _excuse(self, keyword: str, fires: Sequence[Fire]) -> list[Verdict]:
        spent: dict[Utterance | None, int] = {}
        verdicts = []
        for fire in sorted(fires, key=lambda fire: fire.score, reverse=True):
            utterance = self._stream.utterance(fire.time)
            said = utterance.said.get(keyword, 0) if utterance else 0
            used = spent.get(utterance, 0)
            kind = Kind.EXCUSED if used < said else Kind.FALSE
            spent[utterance] = used + 1
            verdicts.append(Verdict(keyword, *fire, kind, utterance=utterance))
        return sorted(verdicts, key=lambda verdict: verdict.time)


def tolerances(settings: DecisionSettings, tolerance: float = TOLERANCE) -> dict[str, float]:
    """Return the tolerance of each keyword: longer if its decision waits for quiet after the word."""
    return {
        keyword: tolerance + (chosen.quiet_after + SLACK if chosen.quiet_after else 0.0)
        for keyword, chosen in settings.keywords.items()
    }
