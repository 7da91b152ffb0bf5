"""Detections as lines of text, for programs and for people."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from kws.types import Detection

if TYPE_CHECKING:
    from kws.decision import NearMiss


def utc_text(time: datetime) -> str:
    """Return a time in UTC to the millisecond, with a Z."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_dict(detection: Detection) -> dict[str, Any]:
    """Return the fields as every publisher sends them: seconds to the millisecond, time in UTC with a Z."""
    fields: dict[str, Any] = {
        "keyword": detection.keyword,
        "score": round(detection.score, 3),
        "start": round(detection.start, 3),
        "end": round(detection.end, 3),
        "time": utc_text(detection.time),
        "model": detection.model,
    }
    optional = {"wake": detection.wake, "site": detection.site}
    return fields | {name: value for name, value in optional.items() if value is not None}


def near_miss_fields(miss: NearMiss, sample_rate: int) -> dict[str, Any]:
    """Return the fields of a near miss that has just ended, as every publisher sends them."""
    return {
        "keyword": miss.keyword,
        "score": round(miss.score, 3),
        "threshold": round(miss.threshold, 3),
        "end": round(miss.end / sample_rate, 3),
        "time": utc_text(datetime.now(UTC)),
        "reason": miss.reason.value,
    }


def as_json(detection: Detection) -> str:
    """Return one JSON object on one line."""
    return json.dumps(as_dict(detection), ensure_ascii=False)


def as_tsv(detection: Detection) -> str:
    """Return keyword, score, start, end, time, model, wake and site, separated by tabs; the last two may be empty."""
    fields = {**as_dict(detection), "wake": detection.wake or "", "site": detection.site or ""}
    return "\t".join(f"{value:.3f}" if isinstance(value, float) else value for value in fields.values())


def as_text(detection: Detection) -> str:
    """Return a line for people: ``   12.30 s  on  97%``."""
    after = f"  after {detection.wake}" if detection.wake else ""
    place = f"  in {detection.site}" if detection.site else ""
    score = as_dict(detection)["score"]  # rounded from the same value as in the other formats
    return f"{detection.end:8.2f} s  {detection.keyword}  {score:.0%}{after}{place}"


FORMATS: dict[str, Callable[[Detection], str]] = {"json": as_json, "text": as_text, "tsv": as_tsv}
