"""Exact averages of posteriors over the newest windows.

The average is causal: that of a window is the mean over it and the ``windows - 1`` before it. Posteriors are counted in
multiples of 2**-30, finer than any network's precision. Sums are then integers, exact in any order: a running mean does
not drift after a year, and a mean over a whole stream has the same bits.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from kws.types import Float32Array, Float64Array

Int64Array: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.int64]]

#: Counts to a posterior of one. A cumulative sum over 2**33 windows (13 years of 50 ms) still fits 64 bits.
ONE = 2**30


def to_counts(posteriors: Float32Array) -> Int64Array:
    """Return posteriors in counts of 2**-30, of the same shape; negative values and NaN count as zero."""
    counts: Int64Array = np.rint(np.fmax(posteriors, 0) * ONE).astype(np.int64)
    return counts


class RunningMean:
    """The average over the newest windows of a stream.

    Attributes:
        windows: averaged.
        averages: float64 ``(labels,)``, the newest averages; zero until ``windows`` windows were pushed.
    """

    def __init__(self, windows: int, labels: int) -> None:
        self.windows = windows
        self._ring = np.zeros((windows, labels), np.int64)
        self.reset()

    def reset(self) -> None:
        """Begin a new segment."""
        self._ring[:] = 0
        self._sum = np.zeros(self._ring.shape[1], np.int64)
        self._pushed = 0
        self.averages: Float64Array = np.zeros(self._ring.shape[1])

    @property
    def full(self) -> bool:
        """True once :attr:`windows` windows were pushed."""
        return self._pushed >= self.windows

    def push(self, counts: Int64Array) -> Float64Array:
        """Take the newest window's counts ``(labels,)``, see :func:`to_counts`; return :attr:`averages`."""
        oldest = self._ring[self._pushed % self.windows]
        self._sum += counts
        self._sum -= oldest
        oldest[:] = counts
        self._pushed += 1
        if self.full:
            self.averages = self._sum / (self.windows * ONE)
        return self.averages

    def highest(self, column: int) -> float:
        """Return the highest posterior of one label among the windows of the average."""
        return float(self._ring[:, column].max() / ONE)

    def rise(self, column: int, level: float) -> int:
        """Return how many windows ago the posterior of one label rose to ``level``; 0 is the newest window.

        That is the first of the newest run of windows at or above ``level``, as far back as the average reaches. Valid
        only while the label's average is at or above ``level``: then there is such a run.
        """
        newest_first = [self._ring[(self._pushed - 1 - age) % self.windows, column] for age in range(self.windows)]
        high = [bool(count >= level * ONE) for count in newest_first]
        age = high.index(True)
        while age + 1 < self.windows and high[age + 1]:
            age += 1
        return age
