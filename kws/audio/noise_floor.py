"""The noise floor of a stream: finds the windows that hold nothing else."""

from __future__ import annotations

import math
from collections import deque

#: Decibels re full scale above which a hop is never silent, however steady: below every level at which models learn
#: words.
LIMIT = -50.0

#: Decibels above the floor up to which a hop is part of it.
MARGIN = 2.0

#: Seconds in which the floor is found: it is the quietest hop of the last one to two times as long.
FLOOR_SECONDS = 5.0


class Floor:
    """Tells from the levels of hops whether a whole window, and the hop before it, held nothing but the noise floor.

    It is not known before a stretch has been heard for as long as ``memory``. A noise that has become louder for good
    is the floor after twice that time at most; one that has become quieter is so at once.

    Args:
        hops: under one window, rounded up.
        memory: hops in which the floor is found.
    """

    def __init__(self, hops: int, memory: int) -> None:
        self._newest: deque[float] = deque(maxlen=hops + 1)
        self._memory = max(memory, hops + 1)
        self.reset()

    @classmethod
    def under(cls, window: int, hop: int, sample_rate: int) -> Floor:
        """For windows of so many samples, a hop of samples apart."""
        return cls(-(-window // hop), round(FLOOR_SECONDS * sample_rate / hop))

    def reset(self) -> None:
        """Begin a new stretch."""
        self._newest.clear()
        self._before = self._lowest = math.inf
        self._heard = 0

    def step(self, level: float) -> bool:
        """Take the next hop's level, in decibels."""
        if self._heard % self._memory == 0:
            self._before, self._lowest = self._lowest, math.inf
        self._heard += 1
        self._lowest = min(self._lowest, level)
        self._newest.append(level)
        if self._heard < self._memory:
            return False
        return max(self._newest) <= min(min(self._lowest, self._before) + MARGIN, LIMIT)
