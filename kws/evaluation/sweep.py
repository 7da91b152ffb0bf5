"""The detections of one keyword at any threshold, in a fraction of the time that the whole decision layer takes.

Without a gate, keywords do not influence each other, and a keyword can fire only in an activation in which its score
reaches the threshold. So only the windows of these activations go through :class:`KeywordDecider`, the part of the
decision layer that decides about one keyword. The tests compare the result with that of the whole decision layer.
"""

from __future__ import annotations

import numpy as np

from kws.decision import DecisionSettings, Fired
from kws.decision.isolation import SLACK
from kws.decision.keyword import Candidate, KeywordDecider
from kws.decision.smoothing import ONE, RunningMean, to_counts
from kws.evaluation.matching import Fire
from kws.evaluation.posterior_cache import PosteriorCache
from kws.types import Float32Array

#: The thresholds of a sweep: hundredths, and thousandths where scores crowd.
THRESHOLDS: tuple[float, ...] = tuple(i / 100 for i in range(10, 90)) + tuple(i / 1000 for i in range(900, 1000))


class KeywordSweep:
    """One keyword in one stream.

    Args:
        cache: the stream.
        keyword: one of its labels.
        settings: decision settings; :meth:`fires` replaces the keyword's threshold.
        lowest: the lowest threshold that :meth:`fires` will get.
    """

    def __init__(
        self, cache: PosteriorCache, keyword: str, settings: DecisionSettings, *, lowest: float = THRESHOLDS[0]
    ) -> None:
        self._cache = cache
        self._keyword = keyword
        self._chosen = settings.keywords[keyword]
        self._column = cache.labels.index(keyword)
        self._mean = _CachedMean(cache, settings.windows(keyword))
        self._grid = cache.grid(settings)
        averages = cache.averages(settings.windows(keyword))[:, self._column]
        least = self._chosen.scale.average(min(self._chosen.override(threshold=lowest).release, self._chosen.release))
        self._rivals = settings.rivals(keyword, len(cache.labels))
        self._windows = np.flatnonzero(averages >= least)
        self._averages = averages[self._windows]
        self._reduced = cache.reduced(keyword, settings)[self._windows]
        weighs = self._chosen.speech_before > 0
        self._speech = cache.speech(keyword, settings)[self._windows] if weighs else np.zeros(len(self._windows))

    def fires(self, threshold: float | None = None) -> list[Fire]:
        """Return the detections at a threshold, with the release in proportion; None keeps the threshold as set."""
        chosen = self._chosen if threshold is None else self._chosen.override(threshold=threshold)
        decider = KeywordDecider(self._keyword, self._column, self._mean, chosen, self._grid, rivals=self._rivals)
        quiet = max(decider.isolation.before, decider.isolation.after)
        self._mean.finds_starts = quiet > 0
        fires: list[Fire] = []
        candidates: list[Candidate] = []

        def settle(window: int) -> None:
            for candidate in tuple(candidates):
                outcome = candidate.settle(self._levels(quiet, window), self._end(window))
                if outcome:
                    candidates.remove(candidate)
                if isinstance(outcome, Fired):
                    fires.append(Fire(outcome.end / self._grid.sample_rate, outcome.score))

        def settle_between(first: int, stop: int) -> None:
            for window in range(first, stop):
                if not candidates:
                    break
                settle(window)

        following = 0
        places = self._activations(decider.trigger.settings.release, decider.trigger.settings.threshold)
        columns = (self._windows[places], self._averages[places], self._speech[places])
        for window, average, speech in zip(*(column.tolist() for column in columns), strict=True):
            if window > following:
                decider.close()
                settle_between(following, window)
            following = window + 1
            self._mean.move_to(window)
            reduced = decider.step(average, self._end(window), speech)
            if reduced is not None:
                candidate = decider.fire(reduced, self._end(window), self._levels(quiet, window), None)
                if candidate:
                    candidates.append(candidate)
            settle(window)
        settle_between(following, len(self._cache.posteriors))
        return fires

    def _activations(self, release: float, threshold: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return the places among the kept windows that belong to activations which reach the threshold.

        Release and threshold are averages.
        """
        active = np.flatnonzero(self._averages >= release)
        activation = np.cumsum(np.diff(self._windows[active], prepend=-2) > 1)
        reaching = activation[self._reduced[active] >= threshold]
        return active[np.isin(activation, reaching)]

    def _end(self, window: int) -> int:
        return self._cache.first_end + window * self._grid.hop

    def _levels(self, quiet: int, window: int) -> list[float]:
        """Return the levels that the decision layer remembers at a window, for so many hops of quiet; none for none."""
        if not quiet:
            return []
        if self._cache.levels is None:
            raise ValueError("a keyword asks what was around it: each window needs its level")
        grid = self._grid
        remembered = grid.hops(grid.window + grid.samples(SLACK)) + quiet
        return list(self._cache.levels[max(0, window + 1 - remembered) : window + 1])


class _CachedMean(RunningMean):
    """A running mean that moves to any window of a stream.

    Attributes:
        finds_starts: False if :meth:`rise` is not needed: only isolation depends on where a word starts.
    """

    def __init__(self, cache: PosteriorCache, windows: int) -> None:
        super().__init__(windows, len(cache.labels))
        self.finds_starts = True
        self._cache = cache
        self._window = 0

    def move_to(self, window: int) -> None:
        self._window = window
        self.averages = self._cache.averages(self.windows)[window]

    def highest(self, column: int) -> float:
        return float(to_counts(self._newest[:, column]).max() / ONE)

    def rise(self, column: int, level: float) -> int:
        if not self.finds_starts:
            return 0
        mean = RunningMean(self.windows, len(self._cache.labels))
        for counts in to_counts(self._newest):
            mean.push(counts)
        return mean.rise(column, level)

    @property
    def _newest(self) -> Float32Array:
        return self._cache.posteriors[max(0, self._window - self.windows + 1) : self._window + 1]
