"""Which detection is of which word: the rule by which hits, misses and false accepts are told apart.

A detection is the moment at which the decision fell. It may be of a labelled word from the word's labelled start on,
for one can be sure of a word before it has ended, until the tolerance after its end. Each keyword is judged by
itself, its detections in order:

1. It is a *hit* of a label of its own word that has none yet; where several would do, of the one that would be the
   first to be too late, which makes as many hits as there can be.
2. Otherwise the label whose end is nearest, of those that it may be of, says what it is: a *duplicate* where its own
   word was said (and hit already), a *wrong word* where another keyword was, a *false accept* where it was a word
   that is no keyword.
3. A detection that can be of no label is a *false accept*.

In plain speech with a transcript, as many detections of a keyword are *excused* in each recording as its transcript
has the word, those with the highest scores; the others are false accepts.

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
    """What a detection turned out to be."""

    HIT = "hit"
    DUPLICATE = "duplicate"
    WRONG = "wrong word"
    FALSE = "false accept"
    EXCUSED = "excused"


class Fire(NamedTuple):
    """A detection of one keyword: seconds since the stream began, and its score."""

    time: float
    score: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """A detection and what it is.

    Attributes:
        keyword: that was detected.
        time: at which the decision fell, in seconds.
        score: with which it fell.
        kind: what it is.
        label: the word that was said where it was detected, if any was labelled.
        utterance: the recording of plain speech that was playing, if it was one.
    """

    keyword: str
    time: float
    score: float
    kind: Kind
    label: LabelledWord | None = None
    utterance: Utterance | None = None

    @property
    def latency(self) -> float:
        """Seconds from the labelled end of the word to the decision; negative where it fell before."""
        return self.time - self.label.end if self.label else 0.0


class Judge:
    """Judges the detections of one stream.

    Args:
        stream: whose detections these are.
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
        """What each detection of a keyword is, in order of time."""
        if self._stream.utterances:
            return self._excuse(keyword, fires)
        verdicts = []
        hit: set[int] = set()
        labels = self._stream.labels
        for fire in sorted(fires):
            places = self._within_reach(keyword, fire.time)
            own = [i for i in places if labels[i].word == keyword and i not in hit]
            if own:
                # All have the same tolerance, so that the one that ends first is too late first.
                place = min(own, key=lambda i: labels[i].end)
                hit.add(place)
                verdicts.append(Verdict(keyword, *fire, Kind.HIT, labels[place]))
            elif places:
                label = labels[min(places, key=lambda i: abs(labels[i].end - fire.time))]
                verdicts.append(Verdict(keyword, *fire, self._kind(keyword, label.word), label))
            else:
                verdicts.append(Verdict(keyword, *fire, Kind.FALSE))
        return verdicts

    def _kind(self, keyword: str, said: str) -> Kind:
        if said == keyword:
            return Kind.DUPLICATE
        return Kind.WRONG if said in self._keywords else Kind.FALSE

    def _within_reach(self, keyword: str, time: float) -> list[int]:
        """The labels that a detection at a time may be of."""
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
    """The tolerance of each keyword: longer by what its decision may wait for quiet after the word."""
    return {
        keyword: tolerance + (chosen.quiet_after + SLACK if chosen.quiet_after else 0.0)
        for keyword, chosen in settings.keywords.items()
    }
