"""One keyword's arming: what makes one utterance one detection.

An utterance shows as a *hump*: the run of windows in which the keyword's average is at or above its release
threshold. A hump fires at most once. It fires at the first window of which all of this holds:

- the average is the largest of all labels and the score at or above the threshold, for ``patience`` windows in a row
  (the score is the average, less what speech before the word takes away);
- this hump has not fired yet: a keyword that has fired is *held* until its average falls below release;
- the refractory time since the keyword last fired is over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from kws.decision.settings import KeywordSettings
from kws.decision.values import Reason


@dataclass(frozen=True, slots=True)
class Peak:
    """The highest average of a hump, the end of its window, and what stood against firing there."""

    score: float
    end: int
    reason: Reason


class Trigger:
    """The state of one keyword.

    Attributes:
        settings: may be replaced between windows, nothing of the state is lost.
        start: where the word of this hump is thought to begin; None between humps.
    """

    def __init__(self, settings: KeywordSettings, refractory: int) -> None:
        self.settings = settings
        self._refractory = refractory
        self.reset()

    def reset(self) -> None:
        """Begin a new stretch: armed, and nothing heard."""
        self._ready = 0
        self._end_hump()

    def _end_hump(self) -> None:
        self.start: int | None = None
        self._run = 0  # windows in a row at the threshold and the largest
        self._fired = False
        self._dipped = False  # below near since it fired
        self._suppressed: Reason | None = None
        self._peak: Peak | None = None

    def begin(self, start: int) -> None:
        """A hump begins: the average is at or above release, and the word is thought to begin at ``start``."""
        self.start = start

    def step(self, average: float, score: float, *, largest: bool, end: int) -> bool:
        """Take one window of a hump; whether the keyword is to fire: then call :meth:`fire` or :meth:`suppress`."""
        obstacle = self._obstacle(average, score, largest=largest, end=end)
        if obstacle:
            self._note(average, end, obstacle)
        return obstacle is None

    def fire(self, end: int) -> None:
        """The keyword fires: it is held for the rest of the hump, and its refractory time begins."""
        self._fired = True
        self._ready = end + self._refractory
        self._peak = None

    def suppress(self, average: float, end: int, reason: Reason) -> None:
        """The keyword does not fire for all that: this hump is spent, but the next one finds it armed."""
        self._suppressed = reason
        self._note(average, end, reason)

    def pardon(self, end: int) -> None:
        """Take back the refractory time of a firing at ``end`` of which nothing came after all."""
        if self._ready == end + self._refractory:
            self._ready = end

    def close(self) -> Peak | None:
        """The hump is over; its peak, where it came near and did not fire."""
        peak = self._peak
        if peak and self._suppressed:
            peak = replace(peak, reason=self._suppressed)
        self._end_hump()
        return peak

    def _obstacle(self, average: float, score: float, *, largest: bool, end: int) -> Reason | None:
        high = score >= self.settings.threshold
        self._run = self._run + 1 if high and largest else 0
        obstacles = {
            Reason.BELOW_THRESHOLD: average < self.settings.threshold,
            Reason.NOT_LARGEST: not largest,
            Reason.IN_SPEECH: not high,
            Reason.HELD: self._fired or self._suppressed is not None,
            Reason.REFRACTORY: end < self._ready,
            Reason.NOT_PATIENT: self._run < self.settings.patience,
        }
        return next((reason for reason, stands in obstacles.items() if stands), None)

    def _note(self, average: float, end: int, obstacle: Reason) -> None:
        near = average >= self.settings.near
        if self._fired:
            # The rest of the utterance that fired is no near miss. A second peak that would have fired is.
            self._dipped = self._dipped or not near
            near = self._dipped and obstacle is Reason.HELD
        if near and (self._peak is None or average >= self._peak.score):
            self._peak = Peak(average, end, obstacle)
