"""Detections to several publishers at once, each behind a queue of its own.

A detection waits in a :class:`PublisherWorker` for as long as it is of use (``max_age``) and no longer: a word spoken
ten minutes ago must not put the lights out now. Drops are counted, and logged once for each run of drops.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from kws.publishers.base import Publisher, PublishError, UnconfirmedError, UnreachableError
from kws.types import Detection

_log = logging.getLogger(__name__)

#: Seconds that a detection is worth waiting for, unless a configuration says otherwise.
MAX_AGE = 5.0

#: Detections that wait for a publisher at most.
QUEUE = 100

#: Seconds that publishers have to end after the last detection.
GRACE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of detections.

    Attributes:
        published: handed over.
        dropped: not handed over: too late, too many, or refused.
        unconfirmed: sent, but it is not known whether they arrived.
    """

    published: int = 0
    dropped: int = 0
    unconfirmed: int = 0


class PublisherWorker:
    """One publisher, its thread and its queue.

    Args:
        publisher: to serve; closed with the worker.
        max_age: seconds after which a detection is dropped; infinite for recordings, which are never late.
        queue: detections that wait at most; the oldest is dropped for a new one.
    """

    def __init__(self, publisher: Publisher, *, max_age: float = MAX_AGE, queue: int = QUEUE) -> None:
        if max_age <= 0 or queue < 1:
            raise ValueError("max_age and queue must be positive")
        self.publisher = publisher
        self._max_age = max_age
        self._limit = queue
        self._waiting: deque[tuple[Detection, float]] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._closing = False
        self._counts = Counts()
        self._untold = 0  # dropped since the last success
        self._reasons: set[str] = set()
        self._thread = threading.Thread(target=self._run, name=f"publish to {publisher.name}", daemon=True)
        self._thread.start()

    @property
    def counts(self) -> Counts:
        with self._changed:
            return self._counts

    def put(self, detection: Detection) -> None:
        """Queue a detection; never waits."""
        deadline = time.monotonic() + self._max_age
        with self._changed:
            if self._closing:
                self._drop("it came after the end")
                return
            if len(self._waiting) == self._limit:
                self._waiting.popleft()
                self._drop(f"more than {self._limit} waited")
            self._waiting.append((detection, deadline))
            self._changed.notify_all()

    def close(self, *, timeout: float = MAX_AGE) -> None:
        """Publish what waits, for as long as ``timeout`` seconds, then end the publisher. A second time does nothing.

        What still waits then is dropped; a publisher that hangs is left behind.
        """
        with self._changed:
            if self._closing:
                return
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting and not self._busy, timeout)
            for _ in range(len(self._waiting)):
                self._waiting.popleft()
                self._drop("the end came first")
            hangs = self._busy
            self._tell()
        if hangs:
            _log.warning("%s: does not come back; it is left behind", self.publisher.name)
        self.publisher.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                detection, deadline = self._waiting.popleft()
                self._busy = True
            self._publish(detection, deadline)

    def _publish(self, detection: Detection, deadline: float) -> None:
        if time.monotonic() >= deadline:
            with self._changed:
                # Whatever kept the worker busy for so long is told by itself.
                self._drop(f"it waited for more than {self._max_age:g} s", told=True)
            return
        try:
            self.publisher.publish(detection, deadline)
        except UnconfirmedError as error:
            _log.warning("%s: %s: %s", self.publisher.name, detection.keyword, error)
            self._count(unconfirmed=1)
        except PublishError as error:
            with self._changed:
                self._drop(str(error), told=isinstance(error, UnreachableError))
        except Exception as error:  # noqa: BLE001
            # A defect of ours or of a library; the worker goes on, for the next detection may fare better.
            _log.exception("%s: %s was not published", self.publisher.name, detection.keyword)
            with self._changed:
                self._drop(repr(error), told=True)
        else:
            self._count(published=1)
            with self._changed:
                self._tell()

    def _count(self, *, published: int = 0, dropped: int = 0, unconfirmed: int = 0) -> None:
        with self._changed:
            now = self._counts
            self._counts = Counts(now.published + published, now.dropped + dropped, now.unconfirmed + unconfirmed)

    def _drop(self, reason: str, *, told: bool = False) -> None:
        """Count one. A new reason is logged at once unless it was told before; how many, when the run is over."""
        self._counts = Counts(self._counts.published, self._counts.dropped + 1, self._counts.unconfirmed)
        self._untold += 1
        if reason not in self._reasons:
            self._reasons.add(reason)
            if not told:
                _log.warning("%s: dropped a detection: %s", self.publisher.name, reason)

    def _tell(self) -> None:
        """Close a run of drops: how many, and why."""
        if self._untold:
            plural = "s were" if self._untold > 1 else " was"
            reasons = "; ".join(sorted(self._reasons))
            _log.warning("%s: %d detection%s dropped: %s", self.publisher.name, self._untold, plural, reasons)
        self._untold = 0
        self._reasons.clear()


class Dispatcher:
    """Hands every detection to every worker."""

    def __init__(self, workers: Iterable[PublisherWorker] = ()) -> None:
        self.workers = tuple(workers)

    @property
    def counts(self) -> Counts:
        """Of all workers together."""
        every = [worker.counts for worker in self.workers]
        return Counts(
            sum(counts.published for counts in every),
            sum(counts.dropped for counts in every),
            sum(counts.unconfirmed for counts in every),
        )

    def put(self, detection: Detection) -> None:
        """Queue a detection for every publisher; never waits."""
        for worker in self.workers:
            worker.put(detection)

    def close(self, *, timeout: float = MAX_AGE, grace: float = GRACE_SECONDS) -> None:
        """Close the workers, all at the same time; after ``timeout`` and ``grace`` seconds they are left behind."""
        closers = [
            threading.Thread(target=worker.close, kwargs={"timeout": timeout}, name=f"close {worker.publisher.name}")
            for worker in self.workers
        ]
        end = time.monotonic() + timeout + grace
        for closer in closers:
            closer.daemon = True
            closer.start()
        for closer in closers:
            closer.join(max(0.0, end - time.monotonic()))
