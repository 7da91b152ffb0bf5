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

    Attributes:
        history: how many windows before the newest one :meth:`unscored` can name.
    """

    def __init__(self, grid: Grid) -> None:
        # The newest window without a sample in common with this one ended so many windows ago.
        self._lag = grid.hops(grid.window)
        self._windows = max(1, round(SECONDS * grid.sample_rate / grid.hop))
        self.history = self._lag + self._windows - 1
        self.reset()

    def speech(self, margin: float = LARGEST_MARGIN) -> float:
        """Return the mean posterior of unknown words, 0 to 1.

        Windows before the segment began count as 0. So do windows whose loudest hop is more than ``margin`` decibels
        below the loudest hop of the newest window, and those that were not scored.
        """
        total = self._sum
        if margin < LARGEST_MARGIN:
            least = self._loudest[-1] - margin
            windows = islice(zip(self._counts, self._loudest, strict=True), self._windows)
            total = sum(count for count, loudest in windows if loudest >= least)
        return total / (self._windows * ONE)

    def unscored(self, margin: float = LARGEST_MARGIN) -> list[int]:
        """Return the windows that :meth:`speech` would count had they been scored: for each, how many windows ago."""
        least = self._loudest[-1] - margin
        windows = islice(zip(self._scored, self._loudest, strict=True), self._windows)
        return [
            self.history - place for place, (scored, loudest) in enumerate(windows) if not scored and loudest >= least
        ]

    def reset(self) -> None:
        """Begin a new segment."""
        self._counts = deque([0] * (self._lag + self._windows))
        self._loudest = deque([-math.inf] * (self._lag + self._windows))
        self._levels: deque[float] = deque(maxlen=self._lag)
        self._scored = deque([True] * (self._lag + self._windows))
        self._sum = 0

    def push(self, unknown: float | None, level: float, *, silent: bool) -> None:
        """Take the next window.

        Args:
            unknown: its posterior of unknown words; None if it was not scored.
            level: of its newest hop, in decibels.
            silent: whether it held nothing but the noise floor.
        """
        self._counts.append(0 if silent or unknown is None else _count(unknown))
        self._sum += self._counts[-1 - self._lag] - self._counts.popleft()
        self._levels.append(level)
        self._loudest.append(max(self._levels))
        self._loudest.popleft()
        self._scored.append(silent or unknown is not None)
        self._scored.popleft()

    def amend(self, ago: int, unknown: float) -> None:
        """Set the posterior of unknown words of a window that was not scored, so many windows ago."""
        place = -1 - ago
        if self._scored[place]:
            return
        self._scored[place] = True
        self._counts[place] = _count(unknown)
        if ago >= self._lag:
            self._sum += self._counts[place]


def _count(unknown: float) -> int:
    return round(max(0.0, unknown) * ONE)
