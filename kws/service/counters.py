"""What a source came to since the service began."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kws.pipeline.pipeline import Scored


@dataclass(slots=True)
class Counters:
    """Written by the one thread that hears the source; read by any.

    Attributes:
        windows: scored.
        seconds: that the network took for them.
        level: of the newest hop of sound, in decibels re full scale; None before the first.
        detections: published.
        near_misses: keywords that nearly fired.
        gaps: places where samples are missing.
        lost_samples: missing there, at the source's rate.
        overruns: how often the system lost sound before it came here.
        drops: how often we did, because the network was behind.
        reconnects: how often the source was opened again after it had failed.
    """

    windows: int = 0
    seconds: float = 0.0
    level: float | None = None
    detections: int = 0
    near_misses: int = 0
    gaps: int = 0
    lost_samples: int = 0
    overruns: int = 0
    drops: int = 0
    reconnects: int = 0
    _sum: tuple[float, int] = (0.0, 0)  # of levels, and their number, since somebody asked
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
        """The mean since this was last asked, in decibels re full scale; None where nothing was scored since."""
        with self._lock:
            (total, count), self._sum = self._sum, (0.0, 0)
        return total / count if count else None
