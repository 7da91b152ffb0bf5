"""The health of one source, as subscribers see it."""

from __future__ import annotations

from typing import Any

import msgspec

from kws.publishers.formats import as_dict
from kws.publishers.worker import Counts
from kws.types import Detection


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """The health at one moment.

    Attributes:
        listening: False while muted.
        source: the name of the open source; None without one.
        trouble: why no sound is scored although it should be; None without trouble.
        level: mean of the windows since the report before, in decibels re full scale; None without windows.
        windows: scored since the service began.
        dropped_samples: lost between the microphone and the service.
        gaps: places where samples are missing.
        reconnects: how often the microphone was opened again after a failure.
        counts: of detections.
        last_detection: None before the first.
        uptime: seconds since the service began.
        model: its name.
        version: of kws.
    """

    listening: bool
    source: str | None = None
    trouble: str | None = None
    level: float | None = None
    windows: int = 0
    dropped_samples: int = 0
    gaps: int = 0
    reconnects: int = 0
    counts: Counts = Counts()
    last_detection: Detection | None = None
    uptime: float = 0.0
    model: str = ""
    version: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the fields that are published."""
        return {
            "listening": self.listening,
            "source": self.source,
            "trouble": self.trouble,
            "level": None if self.level is None else round(self.level, 1),
            "windows": self.windows,
            "dropped_samples": self.dropped_samples,
            "gaps": self.gaps,
            "reconnects": self.reconnects,
            "published": self.counts.published,
            "dropped_detections": self.counts.dropped,
            "unconfirmed_detections": self.counts.unconfirmed,
            "last_detection": self.last_detection and as_dict(self.last_detection),
            "uptime": round(self.uptime),
            "model": self.model,
            "version": self.version,
        }
