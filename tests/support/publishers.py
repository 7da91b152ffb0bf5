"""Detections, and publishers that a test controls."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

from kws.publishers.base import PublishError
from kws.types import Detection


def detection(keyword: str = "on", *, score: float = 0.97, end: float = 12.3, wake: str | None = None) -> Detection:
    return Detection(
        keyword=keyword,
        score=score,
        start=end - 0.68,
        end=end,
        time=datetime(2026, 1, 1, 12, 0, 0, 123000, UTC),
        model="commands",
        wake=wake,
    )


class Recorder:
    """Keeps what is published."""

    name = "recorder"

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.closed = False
        self._changed = threading.Condition()

    def publish(self, detection: Detection, deadline: float) -> None:  # noqa: ARG002
        with self._changed:
            self.heard.append(detection.keyword)
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.heard) >= count, 10), self.heard

    def close(self) -> None:
        self.closed = True


class Hanging(Recorder):
    """Blocks until a test sets ``go``."""

    name = "hanging"

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.go = threading.Event()

    def publish(self, detection: Detection, deadline: float) -> None:
        self.entered.set()
        assert self.go.wait(10)
        super().publish(detection, deadline)


class Failing(Recorder):
    """Raises an error after each detection."""

    name = "failing"

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error: Exception | None = error or PublishError("the paper is out")

    def publish(self, detection: Detection, deadline: float) -> None:
        super().publish(detection, deadline)
        if self.error:
            raise self.error


def past(deadline: float) -> None:
    """Wait until a time on the monotonic clock has passed."""
    while (left := deadline - time.monotonic()) >= 0:
        time.sleep(left + 0.001)
