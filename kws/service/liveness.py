"""Whether what a microphone delivers is sound: a dead or muted one sends the same sample for ever, mostly zero."""

from __future__ import annotations

from kws.types import AudioBlock

#: Seconds that a microphone has, at most, before it is opened anew once more although that did not help before.
_LONGEST = 60.0


class Liveness:
    """Watches the samples of one microphone, from one opening to the next.

    Args:
        patience: seconds without any change after which one that lived counts as dead; 0 to believe all that comes.

    Attributes:
        alive: whether what it delivers is sound: not before a sample has differed from the others since it was opened,
            and not after too long without that.
    """

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self.alive = patience == 0
        self._limit = patience
        self._value: float | None = None
        self._run = 0

    def opened(self) -> None:
        """What comes now is from a microphone that was opened anew, and has to show that it lives."""
        self.alive = self.patience == 0
        self._run = 0

    def look(self, block: AudioBlock, rate: int) -> str | None:
        """Take the next block; what is wrong, if that has gone on for too long: time to open it anew.

        It is then said again only after twice the time, for opening has not helped.
        """
        if not len(block.samples):
            return None
        lowest = float(block.samples.min())
        if lowest != float(block.samples.max()):
            self.alive = True
            self._limit = self.patience
            self._value, self._run = None, 0
            return None
        if lowest != self._value:
            self._value, self._run = lowest, 0
        self._run += len(block.samples)
        if self.patience == 0 or self._run < self._limit * rate:
            return None
        self.alive = False
        self._limit = min(2 * self._limit, max(_LONGEST, self.patience))
        self._run = 0
        what = "zeros; is it muted?" if lowest == 0 else f"the sample {lowest:.4g}; it is stuck"
        return f"delivers nothing but {what}"
