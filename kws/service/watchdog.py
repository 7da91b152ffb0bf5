"""Keeps the service manager informed: that sound is heard, and what of."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kws.service import Listener, Observer
from kws.service.hearing import STARTING
from kws.service.systemd import Notifier

if TYPE_CHECKING:
    from kws.pipeline.pipeline import Scored
    from kws.types import Detection

#: Signs of life within the time in which the manager wants to see one.
_SIGNS = 4


class Supervision(Observer):
    """Tells the manager what the service does. The watchdog's sign of life is sound that was scored, and nothing else.

    Of several microphones one that is heard is enough: to begin anew because of one that is gone would take the others
    away. Where listening is switched off, nothing is to be heard and the service is alive all the same; begun anew, it
    would listen again although nobody wants that.

    Args:
        notifier: speaks to the manager.
        listeners: those of the service, whenever they are asked for.
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
        # What has not begun yet cannot be begun anew: ready would be taken for that of the beginning.
        if self._ready:
            self._notifier.reloading("reading the configuration anew")

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
        self._tell()

    def opened(self, site: str, name: str, rate: int) -> None:  # noqa: ARG002
        self._tell()

    def recovered(self, site: str) -> None:  # noqa: ARG002
        self._tell()

    def lost(self, site: str, reason: str) -> None:  # noqa: ARG002
        self._tell()

    def detected(self, site: str, detection: Detection) -> None:  # noqa: ARG002
        self._tell()

    def _live(self) -> None:
        if not self._ready or self._interval is None or self._clock() < self._due:
            return
        with self._lock:
            if self._clock() < self._due:
                return  # another source's thread was faster
            self._due = self._clock() + self._interval
        self._notifier.alive()

    def _tell(self) -> None:
        """The status, where it is another one than before."""
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
            last = max((one.last for one in listeners if one.last), key=lambda detection: detection.time, default=None)
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
