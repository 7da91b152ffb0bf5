"""A publisher behind a queue of its own, so that one that fails or hangs delays neither the others nor the listening.

A detection is dropped after ``max_age`` seconds in the queue: a word spoken ten minutes ago must not put the lights out
now.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable

import msgspec

from kws.common.worker import Worker
from kws.publishers.base import Publisher, UnconfirmedError
from kws.types import Detection

_log = logging.getLogger(__name__)

#: Seconds after which a detection is dropped, unless the configuration says otherwise.
MAX_AGE = 5.0

#: Detections that wait for one publisher at most.
QUEUE = 100

#: Seconds for publishers to close after the last detection.
GRACE_SECONDS = 5.0


class Counts(msgspec.Struct, frozen=True):
    """Numbers of detections: published, dropped, and sent without a confirmation (``unconfirmed``)."""

    published: int = 0
    dropped: int = 0
    unconfirmed: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.published + other.published, self.dropped + other.dropped, self.unconfirmed + other.unconfirmed
        )


class PublisherWorker(Worker[Detection]):
    """One publisher with its thread and its queue.

    Args:
        publisher: closed together with the worker.
        max_age: seconds after which a detection is dropped; infinite for recordings, which are never late.
        queue: length of the queue; when it is full the oldest detection is dropped.
    """

    def __init__(self, publisher: Publisher, *, max_age: float = MAX_AGE, queue: int = QUEUE) -> None:
        super().__init__(publisher.name, "detection", self._publish, limit=queue, max_age_seconds=max_age)
        self.publisher = publisher
        self._unconfirmed = 0

    @property
    def counts(self) -> Counts:
        return Counts(*self.totals, self._unconfirmed)

    def close(self, timeout: float = MAX_AGE) -> bool:
        if not super().close(timeout):
            return False
        self.publisher.close()
        return True

    def _publish(self, detection: Detection, deadline: float) -> bool:
        try:
            self.publisher.publish(detection, deadline)
        except UnconfirmedError as error:
            _log.warning("%s: %s: %s", self.name, detection.keyword, error)
            self._unconfirmed += 1
            return False
        return True


def total(workers: Iterable[PublisherWorker]) -> Counts:
    """Return the sums over all workers."""
    return sum((worker.counts for worker in workers), Counts())


def close_all(workers: Iterable[PublisherWorker], *, timeout: float = MAX_AGE, grace: float = GRACE_SECONDS) -> None:
    """Close workers in parallel. Any that take longer than ``timeout + grace`` seconds are abandoned."""
    end = time.monotonic() + timeout + grace
    closers = [threading.Thread(target=worker.close, args=(timeout,), daemon=True) for worker in workers]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(max(0.0, end - time.monotonic()))
