"""A thread that works through a bounded queue, so that the threads that fill the queue never wait."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from kws.errors import KwsError

_log = logging.getLogger(__name__)

Item = TypeVar("Item")


class DropError(KwsError):
    """An item could not be handled. The worker drops it and counts it.

    Attributes:
        logged: True if the cause is in the log already; the worker then logs only how many items it cost.
    """

    logged = False


class Worker(Generic[Item]):
    """Handles items one after the other in a thread, which starts with the first item.

    The first drop for each new reason is logged at once. The number of drops is logged when the next item succeeds,
    and at the end.

    Args:
        name: begins each log line.
        kind: what log lines call an item: ``detection``.
        handle: called in the thread with an item and its deadline on the clock of :func:`time.monotonic`. It returns
            True if the item was handled, False if the caller counts this item itself. Any exception drops the item.
        limit: length of the queue; when it is full the oldest item is dropped.
        max_age_seconds: an item that has waited this long is dropped; infinite for no limit.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        handle: Callable[[Item, float], bool],
        *,
        limit: int,
        max_age_seconds: float = math.inf,
    ) -> None:
        if max_age_seconds <= 0 or limit < 1:
            raise ValueError("the maximum age and the limit of the queue must be positive")
        self.name = name
        self._kind = kind
        self._handle = handle
        self._limit = limit
        self._max_age = max_age_seconds
        self._queue: deque[tuple[Item, float]] = deque()
        self._changed = threading.Condition()
        self._busy = False
        self._closing = False
        self._handled = 0
        self._dropped = 0
        self._unreported = 0  # drops since the last success
        self._reasons: set[str] = set()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def totals(self) -> tuple[int, int]:
        """Items handled, and items dropped."""
        with self._changed:
            return self._handled, self._dropped

    def put(self, item: Item) -> None:
        """Queue an item; never waits."""
        deadline = time.monotonic() + self._max_age
        with self._changed:
            if self._closing:
                self._drop("the worker had ended")
                return
            if len(self._queue) == self._limit:
                self._queue.popleft()
                self._drop(f"more than {self._limit} waited")
            self._queue.append((item, deadline))
            self._changed.notify_all()
            if self._thread.ident is None:
                self._thread.start()

    def close(self, timeout: float) -> bool:
        """Handle what waits for up to ``timeout`` seconds, drop the rest and end. Return False if it had ended before.

        A handler that hangs keeps its thread, which does not keep the process alive.
        """
        with self._changed:
            if self._closing:
                return False
            self._closing = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._queue and not self._busy, timeout)
            while self._queue:
                self._queue.popleft()
                self._drop("the program ended first")
            self._report()
            if self._busy:
                _log.warning("%s: does not respond; abandoned", self.name)
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._queue or self._closing)
                if not self._queue:
                    return
                item, deadline = self._queue.popleft()
                self._busy = True
            self._attempt(item, deadline)

    def _attempt(self, item: Item, deadline: float) -> None:
        if time.monotonic() >= deadline:
            with self._changed:  # the log already says what kept the worker busy
                self._drop(f"waited for more than {self._max_age:g} s", logged=True)
            return
        try:
            handled = self._handle(item, deadline)
        except DropError as error:
            with self._changed:
                self._drop(str(error), logged=error.logged)
        except Exception as error:  # noqa: BLE001 - a defect must not end the thread: the next item may succeed
            _log.exception("%s: unexpected error; a %s is lost", self.name, self._kind)
            with self._changed:
                self._drop(repr(error), logged=True)
        else:
            if handled:
                with self._changed:
                    self._handled += 1
                    self._report()

    def _drop(self, reason: str, *, logged: bool = False) -> None:
        self._dropped += 1
        self._unreported += 1
        if reason not in self._reasons:
            self._reasons.add(reason)
            if not logged:
                _log.warning("%s: dropped a %s: %s", self.name, self._kind, reason)

    def _report(self) -> None:
        """Log how many items were dropped since the last success, and why."""
        if self._unreported:
            were = "s were" if self._unreported > 1 else " was"
            reasons = "; ".join(sorted(self._reasons))
            _log.warning("%s: %d %s%s dropped: %s", self.name, self._unreported, self._kind, were, reasons)
        self._unreported = 0
        self._reasons.clear()
