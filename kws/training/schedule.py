"""The learning rate and the averaging of weights over a run."""

from __future__ import annotations

from kws.training.recipe import Optimiser


def learning_rate(optimiser: Optimiser, clips: int) -> float:
    """The rate after ``clips`` windows: up in a line, level, down in a line to zero."""
    up = min(1.0, (clips + optimiser.batch) / max(1, optimiser.warmup))
    down = (optimiser.clips - clips) / max(1.0, optimiser.decay * optimiser.clips)
    return optimiser.rate * max(0.0, min(up, down, 1.0))


def averaging_momentum(optimiser: Optimiser, clips: int) -> float:
    """How much of the average stays after ``clips`` windows: little at first, when the weights are still random."""
    steps = clips / optimiser.batch
    return 1.0 - 1.0 / min(optimiser.averaging, 1 + steps / 5)
