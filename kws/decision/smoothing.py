"""Posteriors averaged over the newest windows, exactly.

The average is causal: that of a window is the mean over it and the ``windows - 1`` before it. Posteriors are taken
as whole multiples of 2**-30, finer than any network's precision, so that sums are integers, and exact whatever
the order of adding. That is why :class:`RunningMean`, which adds the newest and takes away the oldest, has no drift
after a year, and why :func:`smooth`, which takes differences of a cumulative sum, gives the same bits.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from kws.types import Float32Array, Float64Array

Int64Array: TypeAlias = npt.NDArray[np.int64]

#: Counts to a posterior of one. A cumulative sum over 2**33 windows (13 years of 50 ms) still fits 64 bits.
ONE = 2**30


def to_counts(posteriors: Float32Array) -> Int64Array:
    """Posteriors as whole counts of 2**-30, of the same shape; what is negative or not a number counts as zero."""
    counts: Int64Array = np.rint(np.fmax(posteriors, 0) * ONE).astype(np.int64)
    return counts


def smooth(posteriors: Float32Array, windows: int) -> Float64Array:
    """The averages of a whole stretch at once: row by row what :class:`RunningMean` returns, bit for bit.

    Args:
        posteriors: float32 ``(n, labels)``.
        windows: how many windows are averaged, at least one.

    Returns:
        float64 ``(n, labels)``. The first ``windows - 1`` rows are zero: there is no average of windows that
        were not heard.
    """
    sums = np.cumsum(to_counts(posteriors), axis=0)
    sums[windows:] -= sums[:-windows].copy()
    averages = sums / (windows * ONE)
    averages[: windows - 1] = 0.0
    return averages


class RunningMean:
    """The average over the newest windows of a stretch that arrives window by window.

    Attributes:
        windows: how many windows are averaged.
        averages: float64 ``(labels,)``, the newest averages; zero until ``windows`` windows were heard.
    """

    def __init__(self, windows: int, labels: int) -> None:
        self.windows = windows
        self._ring = np.zeros((windows, labels), np.int64)
        self.reset()

    def reset(self) -> None:
        """Begin a new stretch: what was heard before counts no more."""
        self._ring[:] = 0
        self._sum = np.zeros(self._ring.shape[1], np.int64)
        self._heard = 0
        self.averages: Float64Array = np.zeros(self._ring.shape[1])

    def push(self, counts: Int64Array) -> Float64Array:
        """Take the newest window's counts ``(labels,)``, see :func:`to_counts`; return :attr:`averages`."""
        oldest = self._ring[self._heard % self.windows]
        self._sum += counts
        self._sum -= oldest
        oldest[:] = counts
        self._heard += 1
        if self._heard >= self.windows:
            self.averages = self._sum / (self.windows * ONE)
        return self.averages

    def rise(self, column: int, level: float) -> int:
        """How many windows ago one label's own posterior rose to ``level``.

        That is the first window of the newest run of windows at or above ``level``, as far back as the smoothing
        reaches; 0 is the newest window. To be asked only while the label's average is at or above ``level``: then
        there is such a run.
        """
        newest_first = [self._ring[(self._heard - 1 - age) % self.windows, column] for age in range(self.windows)]
        high = [bool(count >= level * ONE) for count in newest_first]
        age = high.index(True)
        while age + 1 < self.windows and high[age + 1]:
            age += 1
        return age
