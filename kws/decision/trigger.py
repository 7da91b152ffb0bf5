"""The trigger of one keyword, which makes one utterance one detection.

The trigger compares averages: threshold, release and near are on their scale (``KeywordSettings.in_averages``).

An utterance shows as an *activation*: a run of windows in which the keyword's average is at or above ``release``. An
activation fires at most once, at the first window in which all of this holds:

- the average is the largest of all labels and, less what speech before the word takes away, at or above ``threshold``,
  for ``patience`` windows in a row;
- the activation has not fired yet;
- the refractory time since the keyword last fired is over.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from kws.decision.settings import KeywordSettings
from kws.decision.values import Reason


class Peak(msgspec.Struct, frozen=True):
    """The highest average of an activation, the end of its window, and what kept it from firing there."""

    average: float
    end: int
    reason: Reason


class Trigger:
    """The state of one keyword.

    Attributes:
        settings: in averages; may be replaced between windows without loss of state.
        start: the estimated start of the word of this activation; None between activations.
    """

    def __init__(self, settings: KeywordSettings, refractory: int) -> None:
        self.settings = settings
        self._refractory = refractory
        self.reset()

    @property
    def spent(self) -> bool:
        """True if this activation has fired or was suppressed: it will not fire."""
        return self._fired or self._suppressed is not None

    def reset(self) -> None:
        """Begin a new segment: armed, and no activation."""
        self._ready = 0  # position from which it may fire again
        self._end_activation()

    def _end_activation(self) -> None:
        self.start: int | None = None
        self._run = 0  # windows in a row at the threshold and the largest
        self._fired = False
        self._dipped = False  # below near since it fired
        self._suppressed: Reason | None = None
        self._peak: Peak | None = None

    def step(self, average: float, reduced: float, *, largest: bool, end: int) -> bool:
        """Take one window of an activation; return True if the keyword may fire.

        The caller then decides with :meth:`fire` or :meth:`suppress`.
        """
        obstacle = self._obstacle(average, reduced, largest=largest, end=end)
        if obstacle:
            self._note(average, end, obstacle)
        return obstacle is None

    def fire(self, end: int) -> None:
        """The keyword fires: this activation is spent, and the refractory time begins."""
        self._fired = True
        self._ready = end + self._refractory
        self._peak = None

    def suppress(self, average: float, end: int, reason: Reason) -> None:
        """The keyword does not fire: this activation is spent, and the next one may fire at once."""
        self._suppressed = reason
        self._note(average, end, reason)

    def pardon(self, end: int) -> None:
        """Take back the refractory time of a firing at ``end`` that was given up."""
        if self._ready == end + self._refractory:
            self._ready = end

    def close(self) -> Peak | None:
        """End the activation; return its peak if it came near and did not fire."""
        peak = self._peak
        if peak and self._suppressed:
            peak = replace(peak, reason=self._suppressed)
        self._end_activation()
        return peak

    def _obstacle(self, average: float, reduced: float, *, largest: bool, end: int) -> Reason | None:
        high = reduced >= self.settings.threshold
        self._run = self._run + 1 if high and largest else 0
        obstacles = (
            (Reason.BELOW_THRESHOLD, average < self.settings.threshold),
            (Reason.NOT_LARGEST, not largest),
            (Reason.IN_SPEECH, not high),
            (Reason.HELD, self.spent),
            (Reason.REFRACTORY, end < self._ready),
            (Reason.NOT_PATIENT, self._run < self.settings.patience),
        )
        return next((reason for reason, stands in obstacles if stands), None)

    def _note(self, average: float, end: int, obstacle: Reason) -> None:
        near = average >= self.settings.near
        if self._fired:
            # The rest of the utterance that fired is no near miss. A second peak that would have fired is.
            self._dipped = self._dipped or not near
            near = self._dipped and obstacle is Reason.HELD
        if near and (self._peak is None or average >= self._peak.average):
            self._peak = Peak(average, end, obstacle)
