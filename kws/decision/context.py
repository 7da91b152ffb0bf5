"""Speech before a word: tells a command from a word in the middle of a sentence.

A word in a sentence follows other words, and the network has called the windows before it unknown words. This works in
noise as well, where levels show nothing. Only windows without a sample in common with the newest one count, so that the
beginning of the word itself does not speak against it.
"""

from __future__ import annotations

from collections import deque

from kws.decision.keyword import Grid
from kws.decision.smoothing import ONE

#: Seconds of windows that count.
SECONDS = 1.5


class Context:
    """The share of speech in the time before the newest window.

    A window that held nothing but the noise floor is no speech, whatever the network calls it.

    Attributes:
        speech: the mean posterior of unknown words, 0 to 1. Windows before the segment began count as 0.
    """

    def __init__(self, grid: Grid) -> None:
        # The newest window without a sample in common with this one ended so many windows ago.
        self._lag = grid.hops(grid.window)
        self._windows = max(1, round(SECONDS * grid.sample_rate / grid.hop))
        self.reset()

    @property
    def speech(self) -> float:
        return self._sum / (self._windows * ONE)

    def reset(self) -> None:
        """Begin a new segment."""
        self._counts = deque([0] * (self._lag + self._windows))
        self._sum = 0

    def push(self, unknown: float, *, silent: bool) -> None:
        """Take the next window: its posterior of unknown words, and whether it held nothing but the noise floor."""
        self._counts.append(0 if silent else round(max(0.0, unknown) * ONE))
        self._sum += self._counts[-1 - self._lag] - self._counts.popleft()
