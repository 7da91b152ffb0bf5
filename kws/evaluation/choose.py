"""Thresholds for a budget of false accepts per hour, over all keywords together.

To count false accepts and go just above the last that is one too many does not work: a threshold that was raised
until nothing was above it has something above it on the next day, and there are as many of them as keywords. So the
rate at each threshold is estimated, in two steps.

1. Of all keywords together, the highest :data:`TAIL` false accepts are taken as exponentially distributed in the log
   odds of their scores ("peaks over threshold", as floods are foretold from years without one).
2. Each keyword is expected to have its share of that, and its own count speaks for itself as soon as it is more than
   a few: the mean of a gamma distribution of shape :data:`PRIOR` about the share, after the count.

On speakers that the thresholds were not chosen on, a budget then holds on average; with counts alone, a budget of one
came to seven (docs/evaluation.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kws.evaluation.curves import Curve
from kws.types import Float64Array

#: Highest false accepts of all keywords from which their common tail is estimated.
TAIL = 15
#: False accepts of a keyword as from which its own count weighs more than its share.
PRIOR = 12.0
#: False accepts of all keywords among which the shares are counted, or all that there are.
_SHARES = 100
#: False accepts that may have been where none was.
_UNSEEN = 0.5
#: Log odds by which the highest false accepts exceed a threshold on average: at least, and where there were none.
_LEAST_EXCESS, _USUAL_EXCESS = 0.05, 1.0
#: Steps of the budget in which rates are counted, each rounded up.
_STEPS = 1000
#: Log odds over which misses are averaged, so that no threshold stands at the edge of a single word.
_BLUR = 0.1
#: Share of the words said that the whole budget must save; where it would save less, a threshold stays higher.
_WORTH = 0.002
#: What a wrong word counts for beside a miss: most are words that were missed as well, and count for that already.
_WRONG = 0.5


@dataclass(frozen=True, slots=True)
class Pick:
    """The threshold recommended for a keyword.

    Attributes:
        threshold: recommended.
        false_rate: false accepts per hour that are expected of it.
    """

    threshold: float
    false_rate: float


@dataclass(frozen=True, slots=True)
class Choice:
    """Recommended thresholds.

    Attributes:
        budget: false accepts per hour that were allowed.
        picks: by keyword.
        unsaid: keywords for which none could be chosen, because nobody said them.
        kept: whether the budget could be kept; otherwise every threshold is the highest.
    """

    budget: float
    picks: Mapping[str, Pick]
    unsaid: tuple[str, ...]
    kept: bool

    @property
    def false_rate(self) -> float:
        """False accepts per hour that are expected in all."""
        return sum(pick.false_rate for pick in self.picks.values())


def choose(curves: Mapping[str, Curve], budget: float) -> Choice:
    """Choose the thresholds with the fewest misses and wrong words, which count half, within a budget.

    Where more false accepts would save next to nothing, thresholds stay where both kinds of error are far.

    Args:
        curves: of all keywords, on the same sound.
        budget: false accepts per hour, of all keywords together.
    """
    said = [keyword for keyword, curve in curves.items() if curve.said]
    unsaid = tuple(keyword for keyword in curves if keyword not in said)
    if not said:
        return Choice(budget, {}, unsaid, kept=True)
    thresholds = curves[said[0]].thresholds
    rates = expected_rates([curves[keyword] for keyword in said])
    errors = np.array([smoothed_errors(curves[keyword]) for keyword in said])
    price = _WORTH * sum(curves[keyword].said for keyword in said) / budget
    places = fewest_errors(rates, errors + price * rates, budget)
    kept = places is not None
    if places is None:
        places = [len(thresholds) - 1] * len(said)
    picks = {
        keyword: Pick(float(thresholds[place]), float(rate[place]))
        for keyword, rate, place in zip(said, rates, places, strict=True)
    }
    return Choice(budget, picks, unsaid, kept)


def expected_rates(curves: Sequence[Curve]) -> Float64Array:
    """False accepts per hour to be expected of each keyword at each threshold, float64 ``(keywords, thresholds)``."""
    # A higher threshold releases earlier, so that one hump may become two; the trend is down all the same.
    counts = np.array([np.maximum.accumulate(curve.false[::-1])[::-1] for curve in curves], np.float64)
    whole = counts.sum(axis=0)
    among = counts[:, _first_at_most(whole, _SHARES)] + 1
    share = among / among.sum()
    expected = share[:, None] * _with_tail(whole, log_odds(curves[0].thresholds))
    rates: Float64Array = expected * (PRIOR + counts) / (PRIOR + expected) / curves[0].hours
    return rates


def _with_tail(counts: Float64Array, odds: Float64Array) -> Float64Array:
    """Falling counts, with the exponential that continues them from where they are :data:`TAIL` at most."""
    begin = _first_at_most(counts, TAIL)
    tail, odds = counts[begin:], odds[begin:]
    excess = _USUAL_EXCESS
    if tail[0]:
        # The mean excess over a threshold times the count there is the area under the counts from there on.
        excess = max(_LEAST_EXCESS, float(np.dot(tail[:-1], np.diff(odds))) / tail[0])
    return np.concatenate((counts[:begin], max(tail[0], _UNSEEN) * np.exp(-(odds - odds[0]) / excess)))


def _first_at_most(counts: Float64Array, most: float) -> int:
    """The first place at which falling counts are at most so many; the last one where they never are."""
    return min(int(np.count_nonzero(counts > most)), len(counts) - 1)


def smoothed_errors(curve: Curve) -> Float64Array:
    """Misses and half the wrong words of a keyword at each threshold, averaged over log odds nearby.

    Thresholds beyond the last one are taken to miss every word, those before the first to be like it.
    """
    odds = log_odds(curve.thresholds)
    steps = np.gradient(odds)
    errors = curve.misses + _WRONG * curve.wrong
    weights = np.exp(-(((odds[:, None] - odds) / _BLUR) ** 2) / 2) * steps
    beyond = np.exp(-(((odds - odds[-1]) / _BLUR) ** 2) / 2)
    blurred = weights @ errors / weights.sum(axis=1)
    smoothed: Float64Array = blurred + beyond * (curve.said - blurred) / 2
    return smoothed


def fewest_errors(rates: Float64Array, errors: Float64Array, budget: float) -> list[int] | None:
    """The place on each curve that makes the fewest errors in all within a budget.

    A knapsack with one choice of each kind, solved exactly by dynamic programming once rates are rounded up to a
    thousandth of the budget. Of equally good choices, it takes the one with the higher thresholds.

    Args:
        rates: false accepts per hour, float64 ``(curves, places)``.
        errors: float64 ``(curves, places)``.
        budget: the sum of the rates is at most this.

    Returns:
        A place for each curve; None where no choice is within the budget.
    """
    costs = np.ceil(rates / budget * _STEPS - 1e-9)
    best = np.zeros(_STEPS + 1)
    chosen = []
    for cost, error in zip(costs, errors, strict=True):
        better = np.full(_STEPS + 1, np.inf)
        places = np.zeros(_STEPS + 1, np.int64)
        for place in np.flatnonzero(cost <= _STEPS).tolist():
            spent = int(cost[place])
            with_this = np.full(_STEPS + 1, np.inf)
            with_this[spent:] = best[: _STEPS + 1 - spent] + error[place]
            improved = with_this <= better
            better[improved], places[improved] = with_this[improved], place
        best = better
        chosen.append(places)
    if not np.isfinite(best[-1]):
        return None
    left = _STEPS
    path = []
    for cost, places in zip(costs[::-1], chosen[::-1], strict=True):
        place = int(places[left])
        path.append(place)
        left -= int(cost[place])
    return path[::-1]


def frontier(curves: Mapping[str, Curve], lowest: float = 0.02, highest: float = 200.0) -> list[tuple[float, float]]:
    """The DET curve of thresholds chosen for each keyword: false accepts per hour, to be expected, and miss rate.

    Each point is the best for a price of a false accept in errors (a Lagrange multiplier).
    """
    said = [curve for curve in curves.values() if curve.said]
    if not said:
        return []
    rates = expected_rates(said)
    errors = np.array([smoothed_errors(curve) for curve in said])
    misses = np.array([curve.misses for curve in said])
    rows = np.arange(len(said))
    points = set()
    for price in np.geomspace(1e-4, 1e4, 400):
        places = np.argmin(errors + price * rates, axis=1)
        rate = float(rates[rows, places].sum())
        if lowest <= rate <= highest:
            points.add((rate, float(misses[rows, places].sum() / sum(curve.said for curve in said))))
    return sorted(points)


def log_odds(thresholds: Float64Array) -> Float64Array:
    """``ln(p / (1 - p))``."""
    odds: Float64Array = np.log(thresholds / (1 - thresholds))
    return odds
