"""Speech before a word: whether it was said by itself or as one of many, as the network tells.

A word in a sentence comes after others, and the network has called the windows before it unknown words. This holds
in noise as well, where levels tell nothing of it. Only windows that have no sample in common with the newest one are
asked, lest the beginning of the word itself speak against it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np

from kws.decision.smoothing import ONE, Int64Array, to_counts
from kws.silence import Floor
from kws.values import Float32Array, Float64Array

#: Seconds of windows that are asked.
SECONDS = 1.5


class Context:
    """How much of the time before the newest window was speech, for a stretch that arrives window by window.

    A window that holds nothing but the noise floor is no speech, whatever the network calls it: such windows may be
    passed over and never reach the network.

    Args:
        sample_rate: hertz.
        hop: samples from one window to the next.
        window: samples under one window.

    Attributes:
        speech: share of speech in these windows, 0 to 1: the mean of the posterior of unknown words. Those before the
            stretch began count as none.
    """

    def __init__(self, *, sample_rate: int, hop: int, window: int) -> None:
        self._lag = lag(hop, window)
        self._windows = windows(sample_rate, hop)
        self._floor = Floor.under(window, hop, sample_rate)
        self.reset()

    @property
    def speech(self) -> float:
        return self._sum / (self._windows * ONE)

    def reset(self) -> None:
        """Begin a new stretch."""
        self._counts = deque([0] * (self._lag + self._windows))
        self._sum = 0
        self._fresh = True
        self._floor.reset()

    def push(self, unknown: float, level: float) -> None:
        """Take the next window: its posterior of unknown words, and the level of its newest hop in decibels."""
        # The newest hop of the first window is still of the silence that is put before a stretch.
        silent = not self._fresh and self._floor.step(level)
        self._fresh = False
        self._counts.append(0 if silent else round(max(0.0, unknown) * ONE))
        self._sum += self._counts[-1 - self._lag] - self._counts.popleft()


def speech_before(
    unknown: Float32Array, levels: Sequence[float], *, sample_rate: int, hop: int, window: int
) -> Float64Array:
    """What :attr:`Context.speech` is at each window of a whole stretch, bit for bit.

    Args:
        unknown: float32 ``(n,)``, the posteriors of unknown words.
        levels: of each window's newest hop, in decibels.
        sample_rate: hertz.
        hop: samples from one window to the next.
        window: samples under one window.

    Returns:
        float64 ``(n,)``.
    """
    floor = Floor.under(window, hop, sample_rate)
    silent = [False, *(floor.step(level) for level in levels[1:])]
    counts = np.where(silent[: len(unknown)], 0, to_counts(unknown))
    asked = windows(sample_rate, hop)
    sums: Int64Array = np.concatenate((np.zeros(lag(hop, window) + asked, np.int64), np.cumsum(counts)))
    newest = np.arange(len(counts))
    return (sums[newest + asked] - sums[newest]) / (asked * ONE)


def lag(hop: int, window: int) -> int:
    """How many windows ago the newest ended that has no sample in common with this one."""
    return -(-window // hop)


def windows(sample_rate: int, hop: int) -> int:
    """How many windows are asked."""
    return max(1, round(SECONDS * sample_rate / hop))
