"""The learning rate and the averaging of weights over a run."""

from __future__ import annotations

import pytest

from kws.training.recipe import Optimiser
from kws.training.schedule import averaging_momentum, learning_rate

SETTINGS = Optimiser(clips=1000, batch=10, rate=0.2, warmup=100, decay=0.5, averaging=9)


@pytest.mark.parametrize(
    ("clips", "rate"), [(0, 0.02), (40, 0.1), (90, 0.2), (500, 0.2), (750, 0.1), (990, 0.004), (1000, 0.0), (2000, 0.0)]
)
def test_the_rate_rises_stays_and_falls_to_nothing(clips: int, rate: float) -> None:
    assert learning_rate(SETTINGS, clips) == pytest.approx(rate)


@pytest.mark.parametrize(("clips", "constant"), [(0, 1.0), (50, 2.0), (200, 5.0), (400, 9.0), (1000, 9.0)])
def test_the_average_forgets_its_beginning(clips: int, constant: float) -> None:
    """A fifth of the steps so far is its time constant, until that is the recipe's."""
    assert averaging_momentum(SETTINGS, clips) == pytest.approx(1 - 1 / constant)
