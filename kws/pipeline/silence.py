"""Silence: windows that the network need not see; and pauses that live sound may be given."""

from __future__ import annotations

import math
from time import monotonic

from kws.audio.noise_floor import NoiseFloor
from kws.features.front_end import FrontEnd
from kws.features.windows import Window

#: Seconds after which a window is scored in silence too.
_PROBE_SECONDS = 4.0

#: Seconds of sound in silence that are taken at once. They add no latency, because no word is shorter.
PAUSE_SECONDS = 0.25

#: Seconds added to each pause, for sound that comes a little late.
_MARGIN_SECONDS = 0.004

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
        skipped: windows skipped in a row until now.
    """

    def __init__(self, front_end: FrontEnd, hop: int, *, enabled: bool) -> None:
        self.silent = False
        self.skipped = 0
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
        self.silent = not window.fresh and self._floor.step(window.level)
        skip = self._enabled and self.silent and calm and self.skipped < self._most
        self.skipped = self.skipped + 1 if skip else 0
        return skip


class Pacer:
    """Finds how long the driver of live sound may pause until there is enough of it.

    Waking up is most of what listening costs, and sound often comes in smaller blocks than a window needs. There is no
    pause before the driver had to wait for a block at least once, and none for sound that comes faster than real time,
    such as a file through a pipe.

    Attributes:
        pause_seconds: how long the driver may wait before it takes the next block.
    """

    def __init__(self) -> None:
        self.pause_seconds = 0.0
        self._ahead = math.inf  # seconds of sound taken beyond those that can have been made; unknown before a wait
        self._block = 0.0  # seconds of the newest block that was waited for: as they come
        self._pauses = 0
        self._arrived = self._left = monotonic()

    def arrive(self, seconds: float) -> None:
        """Take note that a block of so many seconds has come."""
        now = monotonic()
        if now - self._left - self.pause_seconds > seconds / 2:
            self._ahead, self._pauses, self._block = 0.0, 0, seconds
        else:
            self._ahead += seconds - (now - self._arrived)
        self._arrived = now

    def leave(self, needed_seconds: float) -> None:
        """Take note that the block has been dealt with, and how many more seconds of sound are needed.

        The pause lasts until the block that completes them comes. If that is the next one, there is none.
        """
        self._left = monotonic()
        self.pause_seconds = 0.0
        if self._pauses < _MOST_PAUSES and -self._block / 2 < self._ahead < self._block:
            blocks = math.ceil(needed_seconds / self._block - 1e-6)
            if blocks > 1:
                comes = self._arrived + self._ahead + blocks * self._block
                self.pause_seconds = max(0.0, comes + _MARGIN_SECONDS - self._left)
                self._pauses += 1
