"""The protocol of sd_notify(3): messages to the service manager, on ``$NOTIFY_SOCKET``.

Each message is one datagram of ``NAME=value`` lines. Without a service manager nothing is sent and nothing fails.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

_log = logging.getLogger(__name__)

#: Seconds to wait at most while the manager does not read, as when it reloads itself.
_SEND_SECONDS = 0.5


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
