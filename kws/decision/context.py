"""Speech before a word: tells a command from a word in the middle of a sentence.

A word in a sentence follows other words, and the network has called the windows before it unknown words. This works in
noise as well, where levels show nothing. Only windows without a sample in common with the newest one count, so that the
beginning of the word itself does not speak against it.

A sentence is about as loud as each of its words, while people who talk in the background are fainter than the person
who gives a command. So each keyword may ask that only speech near the level of the newest window counts.
"""

from __future__ import annotations

import math
from collections import deque
from itertools import islice

from kws.decision.keyword import Grid
from kws.decision.settings import LARGEST_MARGIN
from kws.decision.smoothing import ONE

#: Seconds of windows that count.
SECONDS = 1.5


class Context:
    """The share of speech in the time before the newest window.

    A window that held nothing but the noise floor is no speech, whatever the network calls it.
    """

    def __init__(self, grid: Grid) -> None:
        # The newest window without a sample in common with this one ended so many windows ago.
        self._lag = grid.hops(grid.window)
        self._windows = max(1, round(SECONDS * grid.sample_rate / grid.hop))
        self.reset()

    def speech(self, margin: float = LARGEST_MARGIN) -> float:
        """Return the mean posterior of unknown words, 0 to 1.

        Windows before the segment began count as 0. So do windows whose loudest hop is more than ``margin`` decibels
        below the loudest hop of the newest window.
        """
        total = self._sum
        if margin < LARGEST_MARGIN:
            least = self._loudest[-1] - margin
            windows = islice(zip(self._counts, self._loudest, strict=True), self._windows)
            total = sum(count for count, loudest in windows if loudest >= least)
        return total / (self._windows * ONE)

    def reset(self) -> None:
        """Begin a new segment."""
        self._counts = deque([0] * (self._lag + self._windows))
        self._loudest = deque([-math.inf] * (self._lag + self._windows))
        self._levels: deque[float] = deque(maxlen=self._lag)
        self._silent: deque[bool] = deque(maxlen=self._lag + self._windows)
        self._sum = 0

    def push(self, unknown: float, level: float, *, silent: bool) -> None:
        """Take the next window.

        Args:
            unknown: its posterior of unknown words.
            level: of its newest hop, in decibels.
            silent: whether it held nothing but the noise floor.
        """
        self._counts.append(0 if silent else _count(unknown))
        self._sum += self._counts[-1 - self._lag] - self._counts.popleft()
        self._levels.append(level)
        self._loudest.append(max(self._levels))
        self._loudest.popleft()
        self._silent.append(silent)

    def amend(self, ago: int, unknown: float) -> None:
        """Replace the posterior of unknown words in an earlier window, unless it was silent; 1 is the newest."""
        if self._silent[-ago]:
            return
        count = _count(unknown)
        if ago > self._lag:
            self._sum += count - self._counts[-ago]
        self._counts[-ago] = count


def _count(unknown: float) -> int:
    return round(max(0.0, unknown) * ONE)
