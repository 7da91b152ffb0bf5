"""The mistakes of an evaluation, one by one, and the confusion matrix."""

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
    """Count how often each keyword was detected on each word, and how often each was missed.

    Returns:
        Counts by the word that was spoken (each keyword, :data:`OTHER_WORD` for other labelled words, :data:`NO_WORD`)
        and by the word that was detected (each keyword, :data:`MISSED`). Duplicates and excused detections do not
        count, so a keyword's own hits and misses add up to how often it was spoken.
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
        keyword: the one that was missed or detected.
        stream: the stream.
        time: of the decision, or the end of the word that was missed, in seconds.
        verdict: on the detection; None for a miss.
        label: the word that was missed, or the one at the time of the detection.
        peak: the score of the detection, or the keyword's highest score in the time of a miss.
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
        """The recording, and the seconds from its start at which to listen."""
        utterance = self.verdict.utterance if self.verdict else None
        if utterance:
            return f"{utterance.path.name} at {max(0.0, self.time - utterance.start):.2f} s"
        return f"{self.stream.name} at {self.time:.2f} s"


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """A keyword's scores around a mistake.

    Attributes:
        times: float64 ``(n,)``, the ends of the windows in seconds.
        posteriors, averages: float64 ``(n,)`` of the keyword.
        rival: the other label with the largest average at the keyword's highest.
        rivals: float64 ``(n,)``, that label's averages.
    """

    times: Float64Array
    posteriors: Float64Array
    averages: Float64Array
    rival: str
    rivals: Float64Array


def find_mistakes(point: OperatingPoint, tolerance: dict[str, float]) -> list[Mistake]:
    """Return all mistakes, the worst first.

    Detections are ordered by how far they exceed their threshold, misses by how far they stay below it. The two
    alternate, so that the first few show both.
    """
    settings = point.settings
    fired = [
        Mistake(verdict.keyword, judged.stream, verdict.time, verdict, verdict.label, verdict.score)
        for judged in point.streams
        for verdict in judged.verdicts
        if verdict.kind not in (Kind.HIT, Kind.EXCUSED)
    ]
    missed = [
        Mistake(label.word, judged.stream, label.end, None, label, _peak(judged.stream, label, settings, tolerance))
        for judged in point.streams
        for label in judged.missed
    ]
    fired.sort(key=lambda mistake: settings.keywords[mistake.keyword].threshold - mistake.peak)
    missed.sort(key=lambda mistake: mistake.peak - settings.keywords[mistake.keyword].threshold)
    alternating = []
    for place in range(max(len(fired), len(missed))):
        alternating += fired[place : place + 1] + missed[place : place + 1]
    return alternating


def timeline(mistake: Mistake, settings: DecisionSettings) -> Timeline:
    """Return the scores from :data:`BEFORE` to :data:`AFTER` a mistake."""
    cache, scale = mistake.stream.cache, settings.keywords[mistake.keyword].scale
    rows = _rows(mistake.stream, settings, mistake.time - BEFORE, mistake.time + AFTER)
    averages = cache.averages(settings.windows(mistake.keyword))[rows]
    column = cache.labels.index(mistake.keyword)
    others = averages.copy()
    others[:, column] = -1.0
    peak = int(averages[:, column].argmax()) if len(averages) else 0
    rival = int(others[peak].argmax()) if len(others) else 0
    return Timeline(
        times=_ends(mistake.stream, settings)[rows],
        posteriors=scale.scores(cache.posteriors[rows, column].astype(np.float64)),
        averages=scale.scores(averages[:, column]),
        rival=cache.labels[rival],
        rivals=scale.scores(averages[:, rival]),
    )


def _peak(stream: ScoredStream, label: LabelledWord, settings: DecisionSettings, tolerance: dict[str, float]) -> float:
    """Return the highest score in the time in which a detection could belong to a label."""
    rows = _rows(stream, settings, label.start, label.end + tolerance[label.word])
    reduced = stream.cache.reduced(label.word, settings)[rows].max(initial=0.0)
    return settings.keywords[label.word].scale.score(float(reduced))


def _ends(stream: ScoredStream, settings: DecisionSettings) -> Float64Array:
    cache = stream.cache
    return cache.first_end / cache.sample_rate + np.arange(len(cache.posteriors), dtype=np.float64) * settings.hop


def _rows(stream: ScoredStream, settings: DecisionSettings, begin: float, end: float) -> slice:
    first, last = np.searchsorted(_ends(stream, settings), [begin - 1e-9, end + 1e-9])
    return slice(int(first), int(last))
