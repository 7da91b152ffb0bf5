"""Where one keyword fires at any threshold, exactly as the decision layer has it and much faster.

Without a gate, keywords do not influence each other's firing, and a keyword can fire only where its average is at or
above its threshold and the largest of all. So the windows that matter are found for all of a stretch at once, and the
rules of :class:`kws.decision.Decider` are followed from one of these to the next. The tests hold both against each
other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kws.decision import DecisionSettings, KeywordSettings
from kws.decision.isolation import SLACK
from kws.decision.keyword import Grid, KeywordDecider
from kws.decision.smoothing import ONE, RunningMean, to_counts
from kws.evaluation.matching import Fire
from kws.evaluation.posterior_stream import PosteriorStream

#: Thresholds that are tried: hundredths, and thousandths where scores crowd.
THRESHOLDS: tuple[float, ...] = tuple(i / 100 for i in range(10, 90)) + tuple(i / 1000 for i in range(900, 1000))


class Track:
    """One keyword in one stretch.

    Args:
        stretch: that was heard.
        keyword: of the model.
        settings: that say over how many windows it is averaged; its threshold is given anew each time.
        lowest: the lowest threshold that will be asked for.
    """

    def __init__(
        self, stretch: PosteriorStream, keyword: str, settings: DecisionSettings, *, lowest: float = THRESHOLDS[0]
    ) -> None:
        self._stretch = stretch
        self._keyword = keyword
        self._base = settings.keywords[keyword]
        self._column = stretch.labels.index(keyword)
        self._smoothing = settings.windows(keyword)
        self._grid = Grid(stretch.sample_rate, round(settings.hop * stretch.sample_rate), stretch.window)
        averages = stretch.averages(self._smoothing)
        least = min(self._base.override(threshold=lowest).release, self._base.release)
        self._windows = np.flatnonzero(averages[:, self._column] >= least)
        self._averages = averages[self._windows, self._column]
        self._scores = stretch.scores(keyword, settings)[self._windows]
        self._largest = averages[self._windows].argmax(axis=1) == self._column

    def fires(self, threshold: float | None = None) -> list[Fire]:
        """Where it fires at a threshold, release in proportion; at its own where none is given."""
        chosen = self._base if threshold is None else self._base.override(threshold=threshold)
        in_hump = self._averages >= chosen.release
        windows, scores = self._windows[in_hump], self._scores[in_hump]
        starts = np.diff(windows, prepend=-2) > 1
        ready = _runs((scores >= chosen.threshold) & self._largest[in_hump], starts) >= chosen.patience
        humps = np.cumsum(starts) - 1
        return self._walk(chosen, windows[ready], scores[ready], humps[ready], windows[starts])

    def _walk(
        self,
        chosen: KeywordSettings,
        windows: npt.NDArray[np.int64],
        scores: npt.NDArray[np.float64],
        humps: npt.NDArray[np.int64],
        begins: npt.NDArray[np.int64],
    ) -> list[Fire]:
        """Go from one window in which nothing but the past may stand against firing to the next."""
        spotter = KeywordDecider(self._keyword, self._column, RunningMean(1, 1), chosen, self._grid)
        isolation = spotter.isolation
        refractory = self._grid.samples(chosen.refractory)
        fires = []
        spent, ready, pardoned = -1, 0, None
        for window, score, hump in zip(windows.tolist(), scores.tolist(), humps.tolist(), strict=True):
            end = self._end(window)
            if hump == spent or (end < ready and (pardoned is None or window <= pardoned)):
                continue
            spent = hump
            if not (isolation.before or isolation.after):
                ready = end + refractory
                fires.append(Fire(end / self._grid.sample_rate, score))
                continue
            word = self._word(chosen, int(begins[hump]), window)
            if not isolation.quiet_before(self._levels(window), word):
                continue
            ready, pardoned = end + refractory, None
            settled, fired = self._settle(spotter, window, word)
            if fired:
                fires.append(Fire(self._end(settled) / self._grid.sample_rate, score))
            else:
                pardoned = settled
        return fires

    def _end(self, window: int) -> int:
        return self._stretch.first_end + window * self._grid.hop

    def _word(self, chosen: KeywordSettings, begin: int, window: int) -> int:
        """How many hops before the end of a window the word is thought to begin."""
        recent = self._stretch.posteriors[max(0, begin - self._smoothing + 1) : begin + 1, self._column]
        high = to_counts(recent[::-1]) >= chosen.release * ONE
        newest = int(high.argmax())
        lower = np.flatnonzero(~high[newest:])
        rise = (newest + int(lower[0]) if len(lower) else len(high)) - 1
        start = self._end(begin) - rise * self._grid.hop - self._grid.samples(chosen.length)
        return self._grid.hops(min(self._end(window) - start, self._grid.window))

    def _levels(self, window: int) -> list[float]:
        """The levels that the decision layer remembers at a window."""
        if self._stretch.levels is None:
            raise ValueError("a keyword asks for quiet around it: each window needs its level")
        remembered = self._grid.hops(self._grid.window + self._grid.samples(SLACK)) + self._longest
        return list(self._stretch.levels[max(0, window + 1 - remembered) : window + 1])

    @property
    def _longest(self) -> int:
        return self._grid.hops(self._grid.samples(max(self._base.quiet_before, self._base.quiet_after)))

    def _settle(self, spotter: KeywordDecider, window: int, word: int) -> tuple[int, bool]:
        """The window in which the wait for quiet after a word is over, and whether it came."""
        isolation = spotter.isolation
        if not isolation.after:
            return window, True
        limit = isolation.limit(self._levels(window), word)
        last = min(window + isolation.patience, len(self._stretch.posteriors) - 1)
        for later in range(window, last + 1):
            if isolation.quiet_after(self._levels(later), limit):
                return later, True
        return last, False


def _runs(high: npt.NDArray[np.bool_], starts: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The length of the run of true values that ends in each place; a start begins a run anew."""
    places = np.arange(len(high))
    before = np.maximum.accumulate(np.where(high, np.where(starts, places - 1, -1), places))
    return places - before
