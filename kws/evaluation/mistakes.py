"""What went wrong, one by one: for looking at, and for counting who was taken for whom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kws.decision import DecisionSettings
from kws.evaluation.labels import LabelledWord
from kws.evaluation.matching import Kind, Verdict
from kws.evaluation.scoring import ScoredStream
from kws.evaluation.stream import OperatingPoint
from kws.types import Float64Array

#: Seconds before and after a mistake that its timeline shows.
BEFORE, AFTER = 1.25, 1.0

MISSED = "missed"
OTHER_WORD = "another word"
NO_WORD = "no word"


def confusion(point: OperatingPoint) -> dict[str, dict[str, int]]:
    """How often each keyword was detected where each was said, and how often each was missed.

    Returns:
        Counts by what was said (each keyword, :data:`OTHER_WORD` for labelled words that are none, :data:`NO_WORD`)
        and by what was detected (each keyword, :data:`MISSED`). Duplicates and excused detections are left out, so that
        a keyword's own hits and misses are as many as it was said.
    """
    keywords = tuple(point.keywords)
    counts = {said: dict.fromkeys((*keywords, MISSED), 0) for said in (*keywords, OTHER_WORD, NO_WORD)}
    for judged in point.streams:
        for verdict in judged.verdicts:
            if verdict.kind in (Kind.HIT, Kind.WRONG, Kind.FALSE):
                said = verdict.label.word if verdict.label else NO_WORD
                counts[said if said in counts else OTHER_WORD][verdict.keyword] += 1
        for label in judged.missed:
            counts[label.word][MISSED] += 1
    return counts


@dataclass(frozen=True, slots=True, eq=False)
class Mistake:
    """A miss, or a detection that should not have been.

    Attributes:
        keyword: that was missed or detected.
        stream: whose detections these are.
        time: of the decision, or the end of the word that was missed, in seconds.
        verdict: on the detection; None for a miss.
        label: the word that was missed, or that was said where it was detected.
        peak: the highest average of the keyword about the miss, or the score of the detection.
    """

    keyword: str
    stream: ScoredStream
    time: float
    verdict: Verdict | None
    label: LabelledWord | None
    peak: float

    @property
    def kind(self) -> str:
        return self.verdict.kind if self.verdict else "miss"

    @property
    def place(self) -> str:
        """Where to listen to it: the recording, and the seconds since its beginning."""
        utterance = self.verdict.utterance if self.verdict else None
        if utterance:
            return f"{utterance.path.name} at {max(0.0, self.time - utterance.start):.2f} s"
        return f"{self.stream.name} at {self.time:.2f} s"


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """A keyword's scores around a moment.

    Attributes:
        times: float64 ``(n,)``, the ends of the windows in seconds.
        posteriors, averages: float64 ``(n,)`` of the keyword.
        rival: the label whose average was the largest of the others at the keyword's highest.
        rivals: float64 ``(n,)``, that label's averages.
    """

    times: Float64Array
    posteriors: Float64Array
    averages: Float64Array
    rival: str
    rivals: Float64Array


def find_mistakes(point: OperatingPoint, tolerance: dict[str, float]) -> list[Mistake]:
    """All that went wrong, the worst first.

    Surest false accepts and wrong words come first, and misses by how far they stayed below their threshold; one
    kind takes turns with the other, so that a few show both.
    """
    fired = [
        Mistake(verdict.keyword, judged.stream, verdict.time, verdict, verdict.label, verdict.score)
        for judged in point.streams
        for verdict in judged.verdicts
        if verdict.kind not in (Kind.HIT, Kind.EXCUSED)
    ]
    missed = [
        Mistake(label.word, judged.stream, label.end, None, label, _peak(judged.stream, label, point, tolerance))
        for judged in point.streams
        for label in judged.missed
    ]
    thresholds = {keyword: chosen.threshold for keyword, chosen in point.settings.keywords.items()}
    fired.sort(key=lambda mistake: thresholds[mistake.keyword] - mistake.peak)
    missed.sort(key=lambda mistake: mistake.peak - thresholds[mistake.keyword])
    alternating = []
    for place in range(max(len(fired), len(missed))):
        alternating += fired[place : place + 1] + missed[place : place + 1]
    return alternating


def timeline(mistake: Mistake, settings: DecisionSettings) -> Timeline:
    """Return the scores from :data:`BEFORE` to :data:`AFTER` a mistake."""
    cache = mistake.stream.cache
    rows = _rows(mistake.stream, settings, mistake.time - BEFORE, mistake.time + AFTER)
    averages = cache.averages(settings.windows(mistake.keyword))[rows]
    column = cache.labels.index(mistake.keyword)
    others = averages.copy()
    others[:, column] = -1.0
    peak = int(averages[:, column].argmax()) if len(averages) else 0
    rival = int(others[peak].argmax()) if len(others) else 0
    return Timeline(
        times=_ends(mistake.stream, settings)[rows],
        posteriors=cache.posteriors[rows, column].astype(np.float64),
        averages=averages[:, column],
        rival=cache.labels[rival],
        rivals=averages[:, rival],
    )


def _peak(stream: ScoredStream, label: LabelledWord, point: OperatingPoint, tolerance: dict[str, float]) -> float:
    """The highest score while a detection could have been of a label."""
    settings = point.settings
    rows = _rows(stream, settings, label.start, label.end + tolerance[label.word])
    return float(stream.cache.scores(label.word, settings)[rows].max(initial=0.0))


def _ends(stream: ScoredStream, settings: DecisionSettings) -> Float64Array:
    cache = stream.cache
    return cache.first_end / cache.sample_rate + np.arange(len(cache.posteriors), dtype=np.float64) * settings.hop


def _rows(stream: ScoredStream, settings: DecisionSettings, begin: float, end: float) -> slice:
    first, last = np.searchsorted(_ends(stream, settings), [begin - 1e-9, end + 1e-9])
    return slice(int(first), int(last))
