"""A service manager that only receives: the other end of ``$NOTIFY_SOCKET``."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self


class Manager:
    """Receives the messages of services, in order.

    Args:
        address: a path, or ``@name`` for an abstract address.

    Attributes:
        messages: each as a dictionary of its lines.
    """

    def __init__(self, address: str | Path) -> None:
        self.address = str(address)
        self.messages: list[dict[str, str]] = []
        self._changed = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + self.address[1:] if self.address.startswith("@") else self.address)
        self._thread = threading.Thread(target=self._receive)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.shutdown(socket.SHUT_RD)
        self._thread.join(10)
        self._socket.close()

    def _receive(self) -> None:
        while data := self._socket.recv(65536):
            message = dict(line.split("=", 1) for line in data.decode().split("\n"))
            with self._changed:
                self.messages.append(message)
                self._changed.notify_all()

    def wait(self, name: str, value: str = "1", *, count: int = 1, after: int = 0) -> int:
        """Wait until a line came ``count`` times since message ``after``; return the index after the last of them."""

        def came() -> list[int]:
            return [at for at, message in enumerate(self.messages) if at >= after and message.get(name) == value]

        return self.wait_until(lambda: len(came()) >= count, f"{count} times {name}={value}") and came()[count - 1] + 1

    def wait_until(self, condition: Callable[[], bool], what: str, *, seconds: float = 30) -> bool:
        end = time.monotonic() + seconds
        with self._changed:
            while not condition():
                assert self._changed.wait(max(0.0, end - time.monotonic())) or condition(), (
                    f"{what} did not come; there was {self.messages}"
                )
        return True

    @property
    def states(self) -> list[str]:
        """READY, RELOADING, STOPPING and WATCHDOG, in order."""
        names = ("READY", "RELOADING", "STOPPING", "WATCHDOG")
        return [name for message in list(self.messages) for name in names if message.get(name) == "1"]

    @property
    def statuses(self) -> list[str]:
        return [message["STATUS"] for message in list(self.messages) if "STATUS" in message]
