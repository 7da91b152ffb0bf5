"""What a service tells its manager: the protocol of sd_notify(3), spoken to ``$NOTIFY_SOCKET``.

One datagram of ``NAME=value`` lines for each message. Where there is no manager, nothing is said and nothing fails.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

_log = logging.getLogger(__name__)

#: The manager does not read for as long as it is reloaded itself; nothing waits longer for it than this.
_SEND_SECONDS = 0.5


class Notifier:
    """Speaks to the service manager that started this process. Any thread may call any method; none of them raises.

    Args:
        environment: where ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID`` are looked up.

    Attributes:
        watchdog: seconds within which the manager wants to see :meth:`alive`; None where it does not watch.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._failed = False
        self.watchdog = _watchdog(environment) if self._address else None

    def __bool__(self) -> bool:
        """Whether anybody listens."""
        return self._address is not None

    def ready(self, status: str | None = None) -> None:
        """The service does its work, from now on or again after :meth:`reloading`."""
        self._tell("READY=1", *_status(status))

    def reloading(self, status: str | None = None) -> None:
        """The configuration is read anew; :meth:`ready` must follow, also where the old one stays in force."""
        # The manager tells by the time which of its requests this answers (Type=notify-reload).
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now}", *_status(status))

    def stopping(self, status: str | None = None) -> None:
        """The service is on its way to its end."""
        self._tell("STOPPING=1", *_status(status))

    def status(self, status: str) -> None:
        """One line for people, which ``systemctl status`` shows."""
        self._tell(*_status(status))

    def alive(self) -> None:
        """The watchdog's sign of life."""
        self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if self._address is None:
            return
        try:
            # A socket for each message: the manager may have been restarted, and messages are few.
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(_SEND_SECONDS)
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._failed:
                _log.warning("the service manager does not hear: %s", error.strerror or error)
            self._failed = True
        else:
            self._failed = False


def _address(name: str) -> str | None:
    """A socket's address: a path, or a name in the abstract space, which is written with @ for its first, zero byte."""
    if name.startswith("@") and len(name) > 1:
        return "\0" + name[1:]
    if name.startswith("/"):
        return name
    if name:
        _log.warning("$NOTIFY_SOCKET is %r, which is no socket; the service manager is told nothing", name)
    return None


def _watchdog(environment: Mapping[str, str]) -> float | None:
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # meant for another process of this service
    text = environment.get("WATCHDOG_USEC", "")
    return int(text) / 1e6 if text.isascii() and text.isdigit() and int(text) > 0 else None


def _status(status: str | None) -> tuple[str, ...]:
    """As one line, for a second would be taken for another message."""
    return () if status is None else (f"STATUS={' '.join(status.split())}",)
