"""Speech before a word: whether it was said by itself or as one of many, as the network tells.

A word in a sentence comes after others, and the network has called the windows before it unknown words. This holds
in noise as well, where levels tell nothing of it. Only windows that have no sample in common with the newest one are
asked, lest the beginning of the word itself speak against it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from kws.decision.smoothing import ONE
from kws.decision.spotter import Grid
from kws.types import Float32Array, Float64Array

#: Seconds of windows that are asked.
SECONDS = 1.5


class Context:
    """How much of the time before the newest window was speech, for a stretch that arrives window by window.

    A window that holds nothing but the noise floor is no speech, whatever the network calls it: such windows may be
    passed over and never reach the network.

    Args:
        grid: of the windows.

    Attributes:
        speech: share of speech in these windows, 0 to 1: the mean of the posterior of unknown words. Those before the
            stretch began count as none.
    """

    def __init__(self, grid: Grid) -> None:
        # The newest window that has no sample in common with this one ended so many windows ago.
        self._lag = grid.hops(grid.window)
        self._windows = max(1, round(SECONDS * grid.sample_rate / grid.hop))
        self.reset()

    @property
    def speech(self) -> float:
        return self._sum / (self._windows * ONE)

    def reset(self) -> None:
        """Begin a new stretch."""
        self._counts = deque([0] * (self._lag + self._windows))
        self._sum = 0

    def push(self, unknown: float, *, silent: bool) -> None:
        """Take the next window: its posterior of unknown words, and whether it held nothing but the noise floor."""
        self._counts.append(0 if silent else round(max(0.0, unknown) * ONE))
        self._sum += self._counts[-1 - self._lag] - self._counts.popleft()


def speech_before(unknown: Float32Array, silent: Sequence[bool], grid: Grid) -> Float64Array:
    """What :attr:`Context.speech` is at each window of a whole stretch.

    Args:
        unknown: float32 ``(n,)``, the posteriors of unknown words.
        silent: whether each window held nothing but the noise floor.
        grid: of the windows.

    Returns:
        float64 ``(n,)``.
    """
    context, speech = Context(grid), []
    for posterior, quiet in zip(unknown.tolist(), silent, strict=True):
        context.push(posterior, silent=quiet)
        speech.append(context.speech)
    return np.array(speech, np.float64)
