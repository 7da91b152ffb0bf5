"""What every threshold of every keyword would cost: the DET curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kws.decision import DecisionSettings
from kws.evaluation.matching import Fire, Judge, Kind
from kws.evaluation.scoring import ScoredStream
from kws.evaluation.sweep import THRESHOLDS, KeywordSweep
from kws.types import Float64Array

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """What happened to one keyword, or to all, at each threshold.

    Attributes:
        thresholds: float64 ``(n,)``, rising.
        said: labelled words.
        hours: of sound.
        misses, duplicates, wrong, false: int64 ``(n,)``, as :class:`kws.evaluation.measure.Figures` has them.
    """

    thresholds: Float64Array
    said: int
    hours: float
    misses: Counts
    duplicates: Counts
    wrong: Counts
    false: Counts

    @property
    def miss_rate(self) -> Float64Array:
        """Share of the words said that were missed; zero where none was said."""
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
    progress: Callable[[float, float], None] | None = None,
) -> dict[str, Curve]:
    """The curve of each keyword.

    Every threshold takes release and near with it in proportion, as a configuration does that says nothing but the
    threshold. A gate is left open: behind one, too little would happen to choose by.

    Args:
        streams: to decide on, with labels or without.
        settings: of everything but the thresholds.
        tolerance: seconds after a word's end for each keyword.
        thresholds: to try, rising.
        progress: is told how many keywords are done, of how many.
    """
    curves = {}
    hours = sum(stream.seconds for stream in streams) / 3600
    judges = [Judge(stream, settings.keywords, tolerance) for stream in streams]
    for done, keyword in enumerate(settings.keywords, 1):
        counts = dict.fromkeys(Kind, np.zeros(len(thresholds), np.int64))
        for stream, judge in zip(streams, judges, strict=True):
            found = _count(keyword, stream, judge, settings, thresholds)
            counts = {kind: counts[kind] + found[kind] for kind in Kind}
        said = sum(label.word == keyword for stream in streams for label in stream.labels)
        curves[keyword] = Curve(
            np.array(thresholds),
            said,
            hours,
            misses=said - counts[Kind.HIT],
            duplicates=counts[Kind.DUPLICATE],
            wrong=counts[Kind.WRONG],
            false=counts[Kind.FALSE],
        )
        if progress:
            progress(done, len(settings.keywords))
    return curves


def _count(
    keyword: str, stream: ScoredStream, judge: Judge, settings: DecisionSettings, thresholds: Sequence[float]
) -> dict[Kind, Counts]:
    """How often each kind of verdict falls in one stream at each threshold."""
    counts = {kind: np.zeros(len(thresholds), np.int64) for kind in Kind}
    sweep = KeywordSweep(stream.cache, keyword, settings, lowest=thresholds[0])
    before: list[Fire] | None = None
    for place, threshold in enumerate(thresholds):
        fires = sweep.fires(threshold)
        if fires == before:
            for count in counts.values():
                count[place] = count[place - 1]
            continue
        before = fires
        for verdict in judge(keyword, fires):
            counts[verdict.kind][place] += 1
    return counts


def compared(curves: Mapping[str, Curve]) -> dict[str, Curve]:
    """The curves of the keywords that were said, for nothing weighs against the others; of all where none was."""
    return {keyword: curve for keyword, curve in curves.items() if curve.said} or dict(curves)


def together(curves: Sequence[Curve]) -> Curve:
    """The curve of several keywords with one threshold for all."""
    return Curve(
        curves[0].thresholds,
        sum(curve.said for curve in curves),
        curves[0].hours,
        misses=np.sum([curve.misses for curve in curves], axis=0),
        duplicates=np.sum([curve.duplicates for curve in curves], axis=0),
        wrong=np.sum([curve.wrong for curve in curves], axis=0),
        false=np.sum([curve.false for curve in curves], axis=0),
    )
