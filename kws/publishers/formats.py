"""Detections as lines of text, for programs and for people."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC
from typing import Any

from kws.types import Detection


def as_dict(detection: Detection) -> dict[str, Any]:
    """A detection as every publisher sends it: seconds to the millisecond, time in UTC with a Z."""
    moment = detection.time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    fields: dict[str, Any] = {
        "keyword": detection.keyword,
        "score": round(detection.score, 3),
        "start": round(detection.start, 3),
        "end": round(detection.end, 3),
        "time": moment,
        "model": detection.model,
    }
    if detection.wake is not None:
        fields["wake"] = detection.wake
    if detection.site is not None:
        fields["site"] = detection.site
    return fields


def as_json(detection: Detection) -> str:
    """One JSON object on one line."""
    return json.dumps(as_dict(detection), ensure_ascii=False)


def as_tsv(detection: Detection) -> str:
    """keyword, score, start, end, time, model, and, perhaps empty, wake and site, separated by tabs."""
    fields = as_dict(detection) | {"wake": detection.wake or "", "site": detection.site or ""}
    return "\t".join(f"{value:.3f}" if isinstance(value, float) else value for value in fields.values())


def as_text(detection: Detection) -> str:
    """For people: ``   12.30 s  on  97%``."""
    after = f"  after {detection.wake}" if detection.wake else ""
    place = f"  in {detection.site}" if detection.site else ""
    score = as_dict(detection)["score"]  # as the other formats tell it: rounded from there, lest they differ
    return f"{detection.end:8.2f} s  {detection.keyword}  {score:.0%}{after}{place}"


FORMATS: dict[str, Callable[[Detection], str]] = {"json": as_json, "text": as_text, "tsv": as_tsv}
