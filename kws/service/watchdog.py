"""Tells systemd what the service does, and feeds its watchdog with sound."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kws.service.hearing import STARTING
from kws.service.listener import Listener
from kws.service.observer import Observer
from kws.service.systemd import Notifier

if TYPE_CHECKING:
    from kws.pipeline.pipeline import Scored
    from kws.types import Detection

#: Signs of life within the time in which systemd expects one.
_SIGNS = 4


class SystemdObserver(Observer):
    """Reports the state of the service to systemd. Only scored sound counts as a sign of life for the watchdog.

    One microphone that works is enough: a restart because of another one would interrupt it. While listening is
    switched off, the service counts as alive: after a restart it would listen although that is not wanted.

    Args:
        notifier: talks to systemd.
        listeners: returns those of the service.
        clock: seconds.
    """

    def __init__(
        self,
        notifier: Notifier,
        listeners: Callable[[], Sequence[Listener]],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._notifier = notifier
        self._listeners = listeners
        self._clock = clock
        self._interval = notifier.watchdog / _SIGNS if notifier.watchdog else None
        self._due = clock()
        self._lock = threading.Lock()
        self._ready = False
        self._status = ""
        self._problem: str | None = None  # of the newest configuration

    def ready(self) -> None:
        self._notifier.ready(self._describe())
        self._ready = True

    def reloading(self) -> None:
        # Before the service is ready, the READY that ends a reload would be taken for that of the start.
        if self._ready:
            self._notifier.reloading("reading the configuration again")

    def reloaded(self, problem: str | None) -> None:
        self._problem = problem
        if self._ready:
            self._notifier.ready(self._describe())

    def stopping(self) -> None:
        self._notifier.stopping("ending")

    def scored(self, site: str, scored: Scored) -> None:  # noqa: ARG002 - the observers' interface
        self._live()

    def muted(self, site: str) -> None:  # noqa: ARG002
        self._live()
        self._show()

    def opened(self, site: str, name: str, rate: int) -> None:  # noqa: ARG002
        self._show()

    def recovered(self, site: str) -> None:  # noqa: ARG002
        self._show()

    def lost(self, site: str, reason: str) -> None:  # noqa: ARG002
        self._show()

    def detected(self, site: str, detection: Detection) -> None:  # noqa: ARG002
        self._show()

    def _live(self) -> None:
        if not self._ready or self._interval is None or self._clock() < self._due:
            return
        with self._lock:
            if self._clock() < self._due:
                return  # another source's thread was faster
            self._due = self._clock() + self._interval
        self._notifier.alive()

    def _show(self) -> None:
        """Send the status if it has changed."""
        status = self._describe()
        with self._lock:
            if status == self._status:
                return
            self._status = status
        self._notifier.status(status)

    def _describe(self) -> str:
        listeners = self._listeners()
        parts = [_state(listener) for listener in listeners]
        if self._problem is not None:
            parts.insert(0, f"the old configuration stays: {self._problem}")
        if count := sum(listener.counters.detections for listener in listeners):
            detections = [last for listener in listeners if (last := listener.hearing.last)]
            last = max(detections, key=lambda detection: detection.time, default=None)
            newest = f", the last {last.keyword}" if last else ""
            parts.append(f"{count} detection{'s' if count > 1 else ''}{newest}")
        return "; ".join(parts) or "starting"


def _state(listener: Listener) -> str:
    hearing, site = listener.hearing, listener.setup.site
    name = listener.source
    where = site if name in (None, site) else f"{site} ({name})"
    if not hearing.wanted:
        return f"{site} is switched off"
    if hearing.trouble is None:
        return f"listening to {where}"
    if hearing.trouble == STARTING and name is not None:
        return f"waiting for sound from {where}"
    return f"nothing is heard in {site}: {hearing.trouble}"
