"""Counts of one source since the service began."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kws.pipeline.pipeline import Scored


@dataclass(slots=True)
class Counters:
    """Written by the one thread that listens to the source; read by any.

    Attributes:
        windows: decided upon.
        seconds: of the network's time.
        level: of the newest hop of sound, in decibels re full scale; None before the first.
        detections: published.
        gaps: places where samples are missing.
        lost_samples: missing there, at the source's rate.
        overruns: how often the system lost sound before it reached us.
        drops: how often we dropped sound because the network was behind.
        reconnects: how often the source was opened again after it had failed.
    """

    windows: int = 0
    seconds: float = 0.0
    level: float | None = None
    detections: int = 0
    gaps: int = 0
    lost_samples: int = 0
    overruns: int = 0
    drops: int = 0
    reconnects: int = 0
    _sum: tuple[float, int] = (0.0, 0)  # of levels, and their number, since the last mean_level()
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, scored: Scored) -> None:
        """Count a window."""
        self.windows += 1
        self.seconds += scored.seconds
        self.level = scored.level
        with self._lock:
            total, count = self._sum
            self._sum = (total + scored.level, count + 1)

    def mean_level(self) -> float | None:
        """Return the mean since the last call, in decibels re full scale; None if no window was scored since."""
        with self._lock:
            (total, count), self._sum = self._sum, (0.0, 0)
        return total / count if count else None
