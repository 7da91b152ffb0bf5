"""The figures of merit: misses, false accepts and latency, with confidence intervals."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kws.decision import DecisionSettings
from kws.evaluation.labels import LabelledWord
from kws.evaluation.matching import Fire, Judge, Kind, Verdict
from kws.evaluation.scoring import ScoredStream

_Z = 1.959964  # 95 % of a normal distribution lie within this many deviations


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Counts of one keyword, or of all.

    Attributes:
        said: labels of the keyword.
        hits: labels that were detected.
        duplicates: further detections of a label with a hit.
        wrong: detections of the keyword on another keyword.
        false: detections of the keyword where no keyword was spoken.
        excused: detections in plain speech whose transcript has the word.
        hours: of sound.
        latencies: seconds from the labelled end of each hit to its decision.
    """

    said: int
    hits: int
    duplicates: int
    wrong: int
    false: int
    excused: int
    hours: float
    latencies: tuple[float, ...] = ()

    @property
    def misses(self) -> int:
        return self.said - self.hits

    @property
    def miss_rate(self) -> float | None:
        """Share of the labels that were missed; None without labels."""
        return self.misses / self.said if self.said else None

    @property
    def miss_range(self) -> tuple[float, float] | None:
        """The miss rate's 95 % confidence interval (Wilson's); None without labels."""
        return wilson(self.misses, self.said) if self.said else None

    @property
    def false_rate(self) -> float:
        """False accepts per hour."""
        return self.false / self.hours if self.hours else 0.0

    @property
    def false_range(self) -> tuple[float, float]:
        """The 95 % confidence interval of the false accepts per hour."""
        low, high = poisson(self.false)
        return (low / self.hours, high / self.hours) if self.hours else (0.0, float("inf"))

    def latency(self, percent: float) -> float | None:
        """Return a percentile of the latencies in seconds; None without hits."""
        return float(np.percentile(self.latencies, percent)) if self.latencies else None


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """One stream with everything that was detected in it.

    Attributes:
        stream: whose detections these are.
        verdicts: on each detection, by time.
        missed: the labelled keywords that were not detected.
    """

    stream: ScoredStream
    verdicts: tuple[Verdict, ...]
    missed: tuple[LabelledWord, ...]


def judge(
    stream: ScoredStream, keywords: Iterable[str], fires: Mapping[str, Sequence[Fire]], tolerance: Mapping[str, float]
) -> Judged:
    """Judge the detections in a stream: ``fires`` of each keyword, ``tolerance`` in seconds after the word."""
    keywords = tuple(keywords)
    ask = Judge(stream, keywords, tolerance)
    verdicts = [verdict for keyword in keywords for verdict in ask(keyword, fires.get(keyword, ()))]
    hit = [verdict.label for verdict in verdicts if verdict.kind is Kind.HIT]
    missed = [label for label in stream.labels if label.word in keywords]
    for label in hit:
        if label:
            missed.remove(label)
    return Judged(stream, tuple(sorted(verdicts, key=lambda verdict: verdict.time)), tuple(missed))


def decide(stream: ScoredStream, settings: DecisionSettings) -> dict[str, list[Fire]]:
    """Return the detections of the decision layer in a stream, by keyword."""
    rate = stream.cache.sample_rate
    fires: dict[str, list[Fire]] = {keyword: [] for keyword in settings.keywords}
    for decision in stream.cache.decide(settings):
        for fired in decision.fired:
            fires[fired.keyword].append(Fire(fired.end / rate, fired.score))
    return fires


def figures(judged: Iterable[Judged], keywords: Collection[str]) -> Figures:
    """Count the verdicts on streams.

    Args:
        judged: the streams.
        keywords: those to count.
    """
    judged = tuple(judged)
    verdicts = [v for each in judged for v in each.verdicts if v.keyword in keywords]
    missed = [label for each in judged for label in each.missed if label.word in keywords]
    count = {kind: sum(verdict.kind is kind for verdict in verdicts) for kind in Kind}
    return Figures(
        said=count[Kind.HIT] + len(missed),
        hits=count[Kind.HIT],
        duplicates=count[Kind.DUPLICATE],
        wrong=count[Kind.WRONG],
        false=count[Kind.FALSE],
        excused=count[Kind.EXCUSED],
        hours=sum(each.stream.seconds for each in judged) / 3600,
        latencies=tuple(verdict.latency for verdict in verdicts if verdict.kind is Kind.HIT),
    )


def percent(share: float) -> str:
    """Return a share in per cent."""
    return f"{100 * share:.1f} %"


def seconds(value: float | None) -> str:
    """Return a latency with its unit; nothing for None."""
    return "" if value is None else f"{value:z.2f} s"


def wilson(count: int, total: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a share: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209."""
    share, spread = count / total, _Z**2 / total
    middle = share + spread / 2
    half = _Z * np.sqrt(share * (1 - share) / total + spread / (4 * total))
    low, high = (middle - half) / (1 + spread), (middle + half) / (1 + spread)
    return max(0.0, float(low)), min(1.0, float(high))


def poisson(count: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a Poisson mean by Byar's approximation, within 2 % of the exact one.

    Breslow and Day, Statistical Methods in Cancer Research II (1987), equation 2.10.
    """
    low = count * (1 - 1 / (9 * count) - _Z / (3 * np.sqrt(count))) ** 3 if count else 0.0
    more = count + 1
    high = more * (1 - 1 / (9 * more) + _Z / (3 * np.sqrt(more))) ** 3
    return float(low), float(high)
