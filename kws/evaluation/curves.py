"""The cost of every threshold of every keyword: DET curves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kws.decision import DecisionSettings
from kws.evaluation.matching import Fire, Judge, Kind
from kws.evaluation.scoring import Progress, ScoredStream
from kws.evaluation.sweep import THRESHOLDS, KeywordSweep
from kws.types import Float64Array

Counts = npt.NDArray[np.int64]
#: Verdicts by their kind, and by whether they belong to a labelled word.
Tally: TypeAlias = Counter[tuple[Kind, bool]]
#: Hours, so that a stream that is full of words has a rate.
_SECOND = 1 / 3600


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The outcome of one keyword, or of all, at each threshold.

    Attributes:
        thresholds: float64 ``(n,)``, rising.
        said: labelled words.
        hours: of sound.
        open_hours: of sound that is out of reach of every labelled word, see :mod:`kws.evaluation.matching`.
        misses, duplicates, wrong, false: int64 ``(n,)``, counted as in :class:`kws.evaluation.measure.Figures`.
        on_others: int64 ``(n,)``, of the false accepts those on a labelled word that is no keyword.
    """

    thresholds: Float64Array
    said: int
    hours: float
    open_hours: float
    misses: Counts
    duplicates: Counts
    wrong: Counts
    false: Counts
    on_others: Counts

    @property
    def miss_rate(self) -> Float64Array:
        """Share of the spoken words that were missed; zero without any."""
        return self.misses / max(1, self.said)

    @property
    def false_rate(self) -> Float64Array:
        """False accepts per hour."""
        return self.false / self.hours


def sweep(
    streams: Sequence[ScoredStream],
    settings: DecisionSettings,
    tolerance: dict[str, float],
    *,
    thresholds: Sequence[float] = THRESHOLDS,
    progress: Progress | None = None,
) -> dict[str, Curve]:
    """Return the curve of each keyword that is not switched off.

    Release and near move in proportion to the threshold, as in a configuration that sets only the threshold. A gate is
    left open, because too little would happen behind one.

    Args:
        streams: with labels or without.
        settings: everything but the thresholds.
        tolerance: seconds after a word's end for each keyword.
        thresholds: rising.
        progress: receives how many keywords are done, of how many.
    """
    curves = {}
    hours = sum(stream.seconds for stream in streams) / 3600
    judges = [(stream, Judge(stream, settings.listened, tolerance)) for stream in streams]
    for done, keyword in enumerate(settings.listened, 1):
        rows = [_count(keyword, stream, judge, settings, thresholds) for stream, judge in judges]
        # By threshold; of all streams together.
        totals: list[Tally] = [sum(counters, Counter()) for counters in zip(*rows, strict=True)]
        said = sum(label.word == keyword for stream in streams for label in stream.labels)
        curves[keyword] = Curve(
            np.array(thresholds),
            said,
            hours,
            max(_SECOND, hours - sum(judge.reached(keyword) for _, judge in judges) / 3600),
            misses=said - _counts(totals, Kind.HIT),
            duplicates=_counts(totals, Kind.DUPLICATE),
            wrong=_counts(totals, Kind.WRONG),
            false=_counts(totals, Kind.FALSE) + _counts(totals, Kind.FALSE, on_word=False),
            on_others=_counts(totals, Kind.FALSE),
        )
        if progress:
            progress(done, len(settings.listened))
    return curves


def _count(
    keyword: str, stream: ScoredStream, judge: Judge, settings: DecisionSettings, thresholds: Sequence[float]
) -> list[Tally]:
    """Return how many verdicts of each kind there are in one stream, at each threshold."""
    counts: list[Tally] = []
    sweep = KeywordSweep(stream.cache, keyword, settings, lowest=thresholds[0])
    before: list[Fire] | None = None
    for threshold in thresholds:
        fires = sweep.fires(threshold)
        same = counts and fires == before
        tally = counts[-1] if same else Counter((each.kind, each.label is not None) for each in judge(keyword, fires))
        counts.append(tally)
        before = fires
    return counts


def _counts(tallies: Sequence[Tally], kind: Kind, *, on_word: bool = True) -> Counts:
    return np.array([tally[kind, on_word] for tally in tallies], np.int64)


def compared(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """Return the curves of the keywords that were said, or all curves if none was: others have nothing to weigh."""
    return {keyword: curve for keyword, curve in curves.items() if curve.said} or dict(curves)


def together(curves: Sequence[Curve]) -> Curve:
    """Return the curve of several keywords with one threshold for all."""
    counts = ("said", "misses", "duplicates", "wrong", "false", "on_others")
    return replace(curves[0], **{name: sum(getattr(curve, name) for curve in curves) for name in counts})
