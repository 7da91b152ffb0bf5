"""Silence: windows that the network need not see; and pauses that live sound may be given."""

from __future__ import annotations

import math
from time import monotonic

from kws.audio.noise_floor import NoiseFloor
from kws.features.front_end import FrontEnd
from kws.features.windows import Window

#: Seconds after which a window is scored in silence too.
_PROBE_SECONDS = 4.0

#: Seconds of a pause. The sound that queues up meanwhile adds no latency, because no word is shorter than this.
PAUSE_SECONDS = 0.25

#: Pauses in a row, after which the driver waits for sound again: the clock that makes the sound drifts from ours.
_MOST_PAUSES = 40


class SilenceSkipper:
    """Finds the windows that hold nothing but the noise floor, and spares the network most of them.

    Args:
        front_end: of the windows.
        hop: samples between windows.
        enabled: False to find silence but skip no window.

    Attributes:
        silent: True if the newest window, and the hop before it, held nothing but the noise floor.
        skipped: levels in decibels of the windows skipped since the last one that was scored.
    """

    def __init__(self, front_end: FrontEnd, hop: int, *, enabled: bool) -> None:
        self.silent = False
        self.skipped: list[float] = []
        self._enabled = enabled
        self._most = round(_PROBE_SECONDS * front_end.sample_rate / hop)
        self._floor = NoiseFloor.under(front_end.window, hop, front_end.sample_rate)

    def step(self, window: Window, *, calm: bool = False) -> bool:
        """Take the next window; return True if the network need not see it.

        Args:
            window: the next one.
            calm: whether the decisions can do without its posteriors, if it is silent.
        """
        if window.fresh:  # its newest hop may be padding, which says nothing about the room
            self._floor.reset()
            self.skipped.clear()
        self.silent = not window.fresh and self._floor.step(window.level)
        skip = self._enabled and self.silent and calm and len(self.skipped) < self._most
        if skip:
            self.skipped.append(window.level)
        return skip

    def take_skipped(self) -> list[float]:
        """Return :attr:`skipped` and begin a new list."""
        skipped, self.skipped = self.skipped, []
        return skipped


class Pacer:
    """Finds when live sound has been caught up with, so that its driver may pause until more is needed.

    Waking up is most of what listening costs. There is no pause before the driver had to wait for a block
    at least once, and none for sound that comes faster than real time, such as a file through a pipe.

    Attributes:
        pause_seconds: how long the driver may wait before it takes the next block.
    """

    def __init__(self) -> None:
        self.pause_seconds = 0.0
        self._ahead = math.inf  # seconds of sound taken beyond those that can have been made; unknown before a wait
        self._block = 0.0  # seconds of the newest block
        self._pauses = 0
        self._arrived = self._left = monotonic()

    def arrive(self, seconds: float) -> None:
        """Take note that a block of so many seconds has come."""
        now = monotonic()
        if now - self._left - self.pause_seconds > seconds / 2:
            self._ahead, self._pauses = 0.0, 0
        else:
            self._ahead += seconds - (now - self._arrived)
        self._arrived, self._block = now, seconds

    def leave(self, pause_seconds: float) -> None:
        """Take note that the block has been dealt with, and for how long no more sound is needed."""
        pause = pause_seconds > 0 and abs(self._ahead) < self._block and self._pauses < _MOST_PAUSES
        self.pause_seconds = pause_seconds if pause else 0.0
        self._pauses += pause
        self._left = monotonic()
