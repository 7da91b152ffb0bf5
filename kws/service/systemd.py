"""Tells systemd what the service does, and feeds its watchdog with sound, by the protocol of sd_notify(3).

Each message is one datagram of ``NAME=value`` lines on ``$NOTIFY_SOCKET``. Without a service manager nothing is sent.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from kws.pipeline.pipeline import Scored
from kws.publishers.observer import Observer
from kws.service.hearing import STARTING
from kws.service.listener import Listener
from kws.types import Detection

_log = logging.getLogger(__name__)

#: Seconds to wait at most while the manager does not read, as when it reloads itself.
_SEND_SECONDS = 0.5

#: Signs of life within the time in which systemd expects one.
_SIGNS = 4


class Notifier:
    """Sends messages to the service manager. Any thread may call any method; none of them raises.

    Args:
        environment: holds ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID``.

    Attributes:
        watchdog: seconds within which the manager expects :meth:`alive`; None without a watchdog.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._failed = False
        self.watchdog = _watchdog(environment) if self._address else None

    def __bool__(self) -> bool:
        """Return True if there is a service manager."""
        return self._address is not None

    def ready(self, status: str | None = None) -> None:
        """The service works, for the first time or again after :meth:`reloading`."""
        self._send("READY=1", status=status)

    def reloading(self, status: str | None = None) -> None:
        """The service reads its configuration again. :meth:`ready` must follow, whatever comes of it."""
        # The time tells the manager which of its requests this answers (Type=notify-reload).
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", status=status)

    def stopping(self, status: str | None = None) -> None:
        """The service begins to end."""
        self._send("STOPPING=1", status=status)

    def status(self, status: str) -> None:
        """Set the line that ``systemctl status`` shows."""
        self._send(status=status)

    def alive(self) -> None:
        """Reset the watchdog."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str, status: str | None = None) -> None:
        if self._address is None:
            return
        if status is not None:
            lines = (*lines, f"STATUS={' '.join(status.split())}")  # one line: a second would be another message
        try:
            # One socket for each message: the manager may have been restarted, and messages are few.
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(_SEND_SECONDS)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._failed:
                _log.warning("the service manager does not respond: %s", error.strerror or error)
            self._failed = True
        else:
            self._failed = False


def _address(name: str) -> str | None:
    """Return a socket's address: a path, or an abstract name, which is written with @ for its first, zero byte."""
    if name.startswith("@") and len(name) > 1:
        return "\0" + name[1:]
    if name.startswith("/"):
        return name
    if name:
        _log.warning("$NOTIFY_SOCKET is %r, which is not a socket; the service manager gets no messages", name)
    return None


def _watchdog(environment: Mapping[str, str]) -> float | None:
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # meant for another process of this service
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isascii() and text.isdigit() and int(text) > 0 else None


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
    hearing, site = listener.hearing, listener.place.site
    name = listener.source
    where = site if name in (None, site) else f"{site} ({name})"
    if not hearing.wanted:
        return f"{site} is switched off"
    if hearing.trouble is None:
        return f"listening to {where}"
    if hearing.trouble == STARTING and name is not None:
        return f"waiting for sound from {where}"
    return f"nothing is heard in {site}: {hearing.trouble}"
