"""The whole evaluation of streams: figures as set, curves, recommended thresholds and their check on other sound."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from kws.decision import DecisionSettings
from kws.evaluation.choose import Choice, choose
from kws.evaluation.curves import Curve, sweep
from kws.evaluation.matching import TOLERANCE, tolerances
from kws.evaluation.measure import Figures, Judged, decide, figures, judge
from kws.evaluation.scoring import Progress, ScoredStream


@dataclass(frozen=True, slots=True, eq=False)
class OperatingPoint:
    """The outcome of some settings.

    Attributes:
        settings: those that decided.
        streams: every stream with its detections.
        total: figures of all keywords.
        keywords: figures of each; without keywords that are switched off.
    """

    settings: DecisionSettings
    streams: tuple[Judged, ...]
    total: Figures
    keywords: dict[str, Figures]

    def of(self, keywords: Collection[str]) -> Figures:
        """Return the figures of some keywords together."""
        return figures(self.streams, keywords)


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """All results of an evaluation.

    Attributes:
        as_set: with the given settings, including a gate.
        tolerance: seconds after a word's end in which its detection may come, for each keyword.
        curves: of each keyword, with the gate left open.
        choice: the recommended thresholds.
        recommended: with the recommended thresholds on the same sound, with the gate left open.
        held_out: with the given and with the recommended thresholds on sound that nothing was chosen on; None without
            such sound.
    """

    as_set: OperatingPoint
    tolerance: dict[str, float]
    curves: dict[str, Curve]
    choice: Choice
    recommended: OperatingPoint
    held_out: tuple[OperatingPoint, OperatingPoint] | None


def evaluate(
    streams: Sequence[ScoredStream],
    settings: DecisionSettings,
    *,
    held_out: Sequence[ScoredStream] = (),
    budget: float = 1.0,
    tolerance: float = TOLERANCE,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate scored streams.

    Args:
        streams: to measure and to choose thresholds on.
        settings: to evaluate.
        held_out: to check the chosen thresholds on.
        budget: false accepts per hour that the recommended thresholds may cost in all.
        tolerance: seconds after a word's end in which its detection may come.
        progress: receives how many keywords are done, of how many.
    """
    allowed = tolerances(settings, tolerance)
    curves = sweep(streams, settings, allowed, progress=progress)
    choice = choose(curves, budget)
    recommended = replace(settings, gate=None)
    for keyword, pick in choice.picks.items():
        recommended = recommended.with_threshold(keyword, pick.threshold)
    return Evaluation(
        as_set=_operate(streams, settings, allowed),
        tolerance=allowed,
        curves=curves,
        choice=choice,
        recommended=_operate(streams, recommended, allowed),
        held_out=(_operate(held_out, settings, allowed), _operate(held_out, recommended, allowed))
        if held_out
        else None,
    )


def _operate(
    streams: Sequence[ScoredStream], settings: DecisionSettings, tolerance: dict[str, float]
) -> OperatingPoint:
    judged = tuple(judge(stream, settings.listened, decide(stream, settings), tolerance) for stream in streams)
    each = {keyword: figures(judged, (keyword,)) for keyword in settings.listened}
    return OperatingPoint(settings, judged, figures(judged, settings.listened), each)
