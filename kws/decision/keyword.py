"""The decisions about one keyword, from its averages to what fires."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from kws.decision.isolation import SLACK, Isolation
from kws.decision.settings import KeywordSettings
from kws.decision.smoothing import RunningMean
from kws.decision.trigger import Trigger
from kws.decision.values import Fired, NearMiss, Reason


class Grid(msgspec.Struct, frozen=True):
    """The windows of a stream, in samples: what turns seconds into positions.

    Attributes:
        sample_rate: samples a second.
        hop: samples from one window to the next.
        window: samples of one window.
    """

    sample_rate: int
    hop: int
    window: int

    def samples(self, seconds: float) -> int:
        return round(seconds * self.sample_rate)

    def hops(self, samples: int) -> int:
        """Return the hops that cover so many samples."""
        return -(-samples // self.hop)


class KeywordDecider:
    """Decides about one keyword.

    Attributes:
        keyword: its label.
        column: the label's index among the posteriors.
        mean: its average, which it may share with other keywords.
        settings: its settings, see :meth:`set`.
        trigger: its state; works by averages, not by scores.
        isolation: the quiet that it needs.

    Args:
        rivals: the columns that it must be the largest of, see :meth:`DecisionSettings.rivals`.
    """

    def __init__(
        self, keyword: str, column: int, mean: RunningMean, settings: KeywordSettings, grid: Grid, *, rivals: slice
    ) -> None:
        self.keyword = keyword
        self.column = column
        self.mean = mean
        self.settings = settings
        self.trigger = Trigger(settings.in_averages(), refractory=grid.samples(settings.refractory))
        self.isolation = Isolation(
            before=grid.hops(grid.samples(settings.quiet_before)),
            after=grid.hops(grid.samples(settings.quiet_after)),
            slack=grid.hops(grid.samples(SLACK)),
            margin=settings.quiet_margin,
        )
        self._kept = 1.0  # share of the average that speech before the word left in the newest window
        self._rivals = rivals
        self._length = grid.samples(settings.length)
        self._grid = grid

    def set(self, settings: KeywordSettings) -> None:
        """Change thresholds between two windows; no state is lost."""
        self.settings = settings
        self.trigger.settings = settings.in_averages()

    def step(self, average: float, end: int, speech: float) -> float | None:
        """Take a window with the average at or above release.

        Args:
            average: of the keyword's posterior.
            end: of the window.
            speech: share of speech before the word, 0 to 1.

        Returns:
            The average that speech before the word leaves, for :meth:`fire`, if the keyword may fire; else None.
        """
        if self.trigger.start is None:
            windows_ago = self.mean.rise(self.column, self.trigger.settings.release)
            self.trigger.start = end - windows_ago * self._grid.hop - self._length
        largest = self._rivals.start + int(self.mean.averages[self._rivals].argmax()) == self.column
        self._kept = 1.0 - self.settings.speech_before * speech
        reduced = average * self._kept
        return reduced if self.trigger.step(average, reduced, largest=largest, end=end) else None

    def fire(self, reduced: float, end: int, levels: Sequence[float], wake: str | None) -> Candidate | None:
        """Fire, if it was quiet before the word.

        Args:
            reduced: the result of :meth:`step` for the newest window.
            end: of the window.
            levels: of the hops heard, in decibels, newest last.
            wake: the wake word that had opened the gate.
        """
        # The word lies in the newest window, however early its posterior rose.
        start = max(self.trigger.start or 0, end - self._grid.window)
        word = self._grid.hops(end - start)
        if not self.isolation.quiet_before(levels, word):
            self.trigger.suppress(reduced, end, Reason.NOT_ISOLATED)
            return None
        self.trigger.fire(end)
        limit = self.isolation.limit(levels, word) if self.isolation.after else 0.0
        deadline = end + self.isolation.patience * self._grid.hop
        return Candidate(self, self._expected_score(reduced), start, end, wake, limit, deadline)

    def _expected_score(self, reduced: float) -> float:
        """Return the best estimate of the highest score of this activation.

        The average has only just reached the threshold and still holds windows from before the word. Once they have
        left it, it is about as high as the highest posterior so far.
        """
        expected = max(reduced, self.mean.highest(self.column) * self._kept)
        return max(self.settings.scale.score(expected), self.settings.threshold)

    def close(self) -> NearMiss | None:
        """End the activation; return it as a near miss if it came near and did not fire."""
        peak = self.trigger.close()
        return self.miss(self.settings.scale.score(peak.average), peak.end, peak.reason) if peak else None

    def miss(self, score: float, end: int, reason: Reason) -> NearMiss:
        threshold = self.settings.threshold
        return NearMiss(keyword=self.keyword, score=score, threshold=threshold, end=end, reason=reason)


class Candidate(msgspec.Struct, frozen=True):
    """A keyword that fires unless it is loud after it.

    Attributes:
        decider: of the keyword.
        score: the estimate of its highest score, when it fired.
        start: the estimated position of the word's first sample.
        end: the end of the window in which it fired.
        wake: the wake word that had opened the gate.
        limit: the level up to which a hop is quiet, in decibels.
        deadline: the end of the last window that may bring the quiet.
    """

    decider: KeywordDecider
    score: float
    start: int
    end: int
    wake: str | None
    limit: float
    deadline: int

    def settle(self, levels: Sequence[float], end: int) -> Fired | NearMiss | None:
        """Return the outcome at a window: it fires, or it has waited too long; None while it waits."""
        if self.decider.isolation.quiet_after(levels, self.limit):
            return Fired(keyword=self.decider.keyword, score=self.score, start=self.start, end=end, wake=self.wake)
        return self.give_up() if end >= self.deadline else None

    def give_up(self) -> NearMiss:
        """Return it as a near miss, and take the keyword's refractory time back."""
        self.decider.trigger.pardon(self.end)
        return self.decider.miss(self.score, self.end, Reason.NOT_ISOLATED)
