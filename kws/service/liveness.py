"""Finds whether a microphone delivers sound: a dead or muted one repeats one sample for ever, mostly zero."""

from __future__ import annotations

from kws.types import AudioBlock

#: Seconds between attempts to revive a microphone by opening it again, at most.
_LONGEST_SECONDS = 60.0


class Liveness:
    """Watches the samples of one microphone, from one opening to the next.

    Args:
        patience: seconds of one unchanging sample after which the microphone counts as dead; 0 to trust all samples.
        trusted: it counts as alive from its opening until it is found dead; otherwise it must first show that it lives.

    Attributes:
        alive: True if it delivers sound: a sample has differed from the others since it was opened, or it is trusted,
            and it was not found dead since.
    """

    def __init__(self, patience: float, *, trusted: bool = False) -> None:
        self.patience = patience
        self._trusted = trusted or patience == 0
        self.alive = self._trusted
        self._limit = patience
        self._value: float | None = None
        self._run = 0

    def opened(self) -> None:
        """The microphone was opened, and has not delivered sound yet."""
        self.alive = self._trusted
        self._run = 0

    def look(self, block: AudioBlock, rate: int) -> str | None:
        """Take the next block; return what is wrong when it is time to open the microphone again.

        Each time that this did not help, the next attempt waits twice as long.
        """
        samples = block.samples
        if not len(samples):
            return None
        value = float(samples[0])
        if value != samples[-1] or samples.min() != samples.max():  # the first comparison is cheap and mostly enough
            self.alive = True
            self._limit = self.patience
            self._value, self._run = None, 0
            return None
        if value != self._value:
            self._value, self._run = value, 0
        self._run += len(samples)
        if self.patience == 0 or self._run < self._limit * rate:
            return None
        self.alive = False
        self._limit = min(2 * self._limit, max(_LONGEST_SECONDS, self.patience))
        self._run = 0
        what = "zeros; is it muted?" if value == 0 else f"the sample {value:.4g}; it is stuck"
        return f"delivers nothing but {what}"
