"""The learning rate and the averaging of weights over a run."""

from __future__ import annotations

import pytest

from kws.training.recipe import Optimiser
from kws.training.schedule import averaging_momentum, learning_rate

SETTINGS = Optimiser(clips=1000, batch=10, rate=1.0, warmup=100, decay=0.5, averaging=9)


def test_the_rate_rises_stays_and_falls_to_nothing() -> None:
    rates = [learning_rate(SETTINGS, clips) for clips in range(0, 1001, 10)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert rates[9:51] == pytest.approx([1.0] * 42)
    assert rates[75] == pytest.approx(0.5)
    assert rates[100] == 0.0


@pytest.mark.parametrize(("clips", "constant"), [(0, 1.0), (50, 2.0), (200, 5.0), (400, 9.0), (1000, 9.0)])
def test_the_average_forgets_its_beginning(clips: int, constant: float) -> None:
    """A fifth of the steps so far is its time constant, until that is the recipe's."""
    assert averaging_momentum(SETTINGS, clips) == pytest.approx(1 - 1 / constant)
