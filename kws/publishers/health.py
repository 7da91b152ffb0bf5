"""The health of one source, as subscribers see it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from kws.publishers.dispatcher import Counts
from kws.publishers.formats import as_dict
from kws.types import Detection


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthReport:
    """One moment's health.

    Attributes:
        listening: whether sound is heard at all.
        source: what is heard; None where nothing is.
        level: mean of the windows since the health before, in decibels re full scale; None where there were none.
        windows: decided upon since the service began.
        trouble: why nothing is heard although it should be; None where all is well.
        dropped_samples: lost between the microphone and the service.
        gaps: places where they are missing.
        reconnects: how often the microphone was opened again after it had failed.
        counts: what became of detections.
        last_detection: None where there was none yet.
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
    counts: Counts = field(default_factory=Counts)
    last_detection: Detection | None = None
    uptime: float = 0.0
    model: str = ""
    version: str = ""

    def as_dict(self) -> dict[str, Any]:
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
            "last_detection": None if self.last_detection is None else as_dict(self.last_detection),
            "uptime": round(self.uptime),
            "model": self.model,
            "version": self.version,
        }

    def as_json(self, **more: object) -> str:
        """One JSON object on one line."""
        return json.dumps({**self.as_dict(), **more}, ensure_ascii=False)
