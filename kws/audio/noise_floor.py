"""The noise floor of a stream: finds the windows that hold nothing else."""

from __future__ import annotations

import math
from collections import deque

#: Decibels re full scale above which no hop is silent, however steady. No model learns words as quiet as this.
LIMIT = -50.0

#: Decibels above the floor up to which a hop still belongs to it.
MARGIN = 2.0

#: Seconds of the memory: the floor is the quietest hop of the last one to two memories.
FLOOR_SECONDS = 5.0


class NoiseFloor:
    """Decides from the levels of hops if a whole window, and the hop before it, held nothing but the noise floor.

    The floor is unknown until a segment is as long as ``memory``. A noise that has become louder for good becomes the
    floor after at most twice that time; one that has become quieter does so at once.

    Args:
        hops: the hops under one window, rounded up.
        memory: the hops in which to find the floor.
    """

    def __init__(self, hops: int, memory: int) -> None:
        self._newest: deque[float] = deque(maxlen=hops + 1)
        self._memory = max(memory, hops + 1)
        self.reset()

    @classmethod
    def under(cls, window: int, hop: int, sample_rate: int) -> NoiseFloor:
        """Return the noise floor for windows of ``window`` samples that are ``hop`` samples apart."""
        return cls(-(-window // hop), round(FLOOR_SECONDS * sample_rate / hop))

    def reset(self) -> None:
        """Begin a new segment."""
        self._newest.clear()
        self._before = self._lowest = math.inf
        self._hops = 0

    def step(self, level: float) -> bool:
        """Take the level of the next hop, in decibels; return True if the window that it ends is silent."""
        if self._hops % self._memory == 0:
            self._before, self._lowest = self._lowest, math.inf
        self._hops += 1
        self._lowest = min(self._lowest, level)
        self._newest.append(level)
        if self._hops < self._memory:
            return False
        return max(self._newest) <= min(min(self._lowest, self._before) + MARGIN, LIMIT)
