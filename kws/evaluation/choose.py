"""Thresholds for a budget of false accepts per hour, over all keywords together.

The budget is for sound without labelled words. What happens on labelled words is an error: a miss, a wrong
word (which counts half), or another word that is taken for a keyword. So a stream of isolated other words weighs by its
words and not by its hours.

Raising each threshold until the counted false accepts fit the budget fails on other sound: the highest score of one
day is often beaten on the next, and each keyword has such a score. So the rate at each threshold is estimated in two
steps.

1. The highest :data:`TAIL` false accepts of all keywords are modelled as exponentially distributed in the log odds of
   their scores (peaks over threshold, as in flood statistics).
2. Each keyword is expected to have its share of that tail. Its own count takes over as it grows beyond a few: the rate
   is the posterior mean under a gamma prior of shape :data:`PRIOR` with the share as its mean.

On speakers that the thresholds were not chosen on, a budget then holds on average; with counts alone, a budget of one
came to seven (docs/evaluation.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kws.common.tables import key_written
from kws.evaluation.curves import Curve
from kws.types import Float64Array

#: The common tail is estimated from this many of the highest false accepts of all keywords.
TAIL = 15
#: A keyword's own count weighs more than its share once it has this many false accepts.
PRIOR = 12.0
#: The shares are counted among this many false accepts of all keywords, or among all if there are fewer.
_SHARES = 100
#: False accepts assumed where none was counted.
_UNSEEN = 0.5
#: Mean excess in log odds of the highest false accepts over a threshold: the least, and the one without any.
_LEAST_EXCESS, _USUAL_EXCESS = 0.05, 1.0
#: The optimiser counts rates in this many steps of the budget, each rounded up.
_STEPS = 1000
#: Misses are averaged over this many log odds, so that no threshold stands at the edge of a single word.
_BLUR = 0.1
#: Share of the spoken words that the whole budget must save; if it would save less, thresholds stay higher.
_WORTH = 0.002
#: Weight of a wrong word beside a miss: most wrong words are missed too, and count for that already.
_WRONG = 0.5
#: Budgets of the points of :func:`frontier`, in false accepts per hour.
_BUDGETS = np.geomspace(0.02, 200.0, 61).tolist()


@dataclass(frozen=True, slots=True)
class Pick:
    """The threshold recommended for a keyword.

    Attributes:
        threshold: the recommended value.
        false_rate: false accepts per hour that are expected at it.
    """

    threshold: float
    false_rate: float


@dataclass(frozen=True, slots=True)
class Choice:
    """Recommended thresholds.

    Attributes:
        budget: false accepts per hour that were allowed.
        picks: the recommendation for each keyword.
        unsaid: keywords without a recommendation, because no label has them.
        kept: False if no choice fits the budget; then every threshold is the highest.
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
    """Choose the thresholds with the fewest errors on labelled words within a budget.

    If more false accepts would save next to nothing, the thresholds stay away from both kinds of error.

    Args:
        curves: of all keywords, on the same sound.
        budget: false accepts per hour, of all keywords together.
    """
    said = {keyword: curve for keyword, curve in curves.items() if curve.said}
    unsaid = tuple(keyword for keyword in curves if keyword not in said)
    if not said:
        return Choice(budget, {}, unsaid, kept=True)
    thresholds = next(iter(said.values())).thresholds
    rates, errors = _rates_and_errors(list(said.values()))
    price = _WORTH * sum(curve.said for curve in said.values()) / budget
    places = fewest_errors(rates, errors + price * rates, budget)
    picks = {
        keyword: Pick(float(thresholds[place]), float(rate[place]))
        for keyword, rate, place in zip(said, rates, places or [-1] * len(said), strict=True)
    }
    return Choice(budget, picks, unsaid, kept=places is not None)


def frontier(curves: Mapping[str, Curve]) -> list[tuple[float, float]]:
    """Return the DET curve of thresholds that are chosen for each keyword.

    Returns:
        Expected false accepts per hour and miss rate of the best choice for each of many budgets, by rising rate.
    """
    said = [curve for curve in curves.values() if curve.said]
    if not said:
        return []
    rates, errors = _rates_and_errors(said)
    misses, rows = np.array([curve.misses for curve in said]), np.arange(len(said))
    points = set()
    for budget in _BUDGETS:
        places = fewest_errors(rates, errors, budget)
        if places is not None:
            share = float(misses[rows, places].sum() / sum(curve.said for curve in said))
            points.add((float(rates[rows, places].sum()), share))
    return sorted(points)


def fewest_errors(rates: Float64Array, errors: Float64Array, budget: float) -> list[int] | None:
    """Return the place on each curve that makes the fewest errors in all within a budget.

    This is a multiple-choice knapsack. Dynamic programming solves it exactly, once rates are rounded up to a
    thousandth of the budget. Among equally good choices, the one with the higher thresholds wins.

    Args:
        rates: false accepts per hour, float64 ``(curves, places)``.
        errors: float64 ``(curves, places)``.
        budget: the sum of the rates is at most this.

    Returns:
        A place for each curve; None if no choice is within the budget.
    """
    costs = np.ceil(rates / budget * _STEPS - 1e-9)
    best = np.zeros(_STEPS + 1)
    chosen = []
    for cost, error in zip(costs, errors, strict=True):
        better = np.full(_STEPS + 1, np.inf)
        places = np.zeros(_STEPS + 1, np.int64)
        for place in np.flatnonzero(cost <= _STEPS).tolist():
            spent = int(cost[place])
            with_this = best[: _STEPS + 1 - spent] + error[place]
            improved = with_this <= better[spent:]
            better[spent:][improved], places[spent:][improved] = with_this[improved], place
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


def _rates_and_errors(curves: Sequence[Curve]) -> tuple[Float64Array, Float64Array]:
    return expected_rates(curves), np.array([smoothed_errors(curve) for curve in curves])


def expected_rates(curves: Sequence[Curve]) -> Float64Array:
    """Return the expected false accepts per hour, float64 ``(keywords, thresholds)``."""
    # A higher threshold releases earlier, which may split one activation into two; so the counts are made to fall.
    false = [curve.false - curve.on_others for curve in curves]
    counts = np.array([np.maximum.accumulate(counted[::-1])[::-1] for counted in false], np.float64)
    whole = counts.sum(axis=0)
    among = counts[:, _first_at_most(whole, _SHARES)] + 1
    share = among / among.sum()
    expected = share[:, None] * _with_tail(whole, log_odds(curves[0].thresholds))
    hours = np.array([[curve.open_hours] for curve in curves])
    rates: Float64Array = expected * (PRIOR + counts) / (PRIOR + expected) / hours
    return rates


def _with_tail(counts: Float64Array, odds: Float64Array) -> Float64Array:
    """Return falling counts with an exponential in place of their end, from :data:`TAIL` on."""
    begin = _first_at_most(counts, TAIL)
    tail, odds = counts[begin:], odds[begin:]
    excess = _USUAL_EXCESS
    if tail[0]:
        # The mean excess over a threshold times the count there is the area under the counts from there on.
        excess = max(_LEAST_EXCESS, float(np.dot(tail[:-1], np.diff(odds))) / tail[0])
    return np.concatenate((counts[:begin], max(tail[0], _UNSEEN) * np.exp(-(odds - odds[0]) / excess)))


def _first_at_most(counts: Float64Array, most: float) -> int:
    """Return the first place at which falling counts are at most ``most``, or else the last place."""
    return min(int(np.count_nonzero(counts > most)), len(counts) - 1)


def smoothed_errors(curve: Curve) -> Float64Array:
    """Return the errors of a keyword on labelled words at each threshold, averaged over nearby log odds.

    Beyond the last threshold every word counts as missed; before the first, the errors are those at the first.
    """
    odds = log_odds(curve.thresholds)
    steps = np.gradient(odds)
    errors = curve.misses + _WRONG * curve.wrong + curve.on_others
    weights = np.exp(-(((odds[:, None] - odds) / _BLUR) ** 2) / 2) * steps
    beyond = np.exp(-(((odds - odds[-1]) / _BLUR) ** 2) / 2)
    blurred = weights @ errors / weights.sum(axis=1)
    smoothed: Float64Array = blurred + beyond * (curve.said - blurred) / 2
    return smoothed


def log_odds(thresholds: Float64Array) -> Float64Array:
    """Return ``ln(p / (1 - p))``."""
    odds: Float64Array = np.log(thresholds / (1 - thresholds))
    return odds


def as_toml(choice: Choice, comment: str = "") -> str:
    """Return the thresholds as the configuration and ``--settings`` take them: a table for each keyword."""
    tables = [f"# {comment}\n"] if comment else []
    tables += [
        f"[keyword.{key_written(word)}]\nthreshold = {pick.threshold:g}\n" for word, pick in choice.picks.items()
    ]
    return "\n".join(tables)


def describe(choice: Choice, hours: float) -> str:
    """Return one line that says which budget and how much sound the thresholds were chosen for."""
    unit = "false accept" if choice.budget == 1 else "false accepts"
    return f"kws evaluate stream: for {choice.budget:g} {unit} an hour, chosen on {hours:.2f} h of sound"
