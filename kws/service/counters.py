"""What a source came to since the service began."""

from __future__ import annotations

from dataclasses import dataclass


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
