"""Running a service until it ends by itself or by a signal."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

from kws.config import Config
from kws.service.service import Service


def run(service: Service, config: Callable[[], Config], *, reloads: bool = False) -> int:
    """Run a service. SIGINT and SIGTERM end it.

    Args:
        service: not started yet.
        config: returns the configuration in force.
        reloads: SIGHUP has it read its configuration again.

    Returns:
        The signal that ended the service, or 0.

    Raises:
        KwsError: a source has failed, see :meth:`~kws.service.Service.run`.
    """
    ended = 0

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal ended
        if number == signal.SIGHUP:
            service.reload()
            return
        if ended or not service.listeners:  # it is waiting for publishers
            raise KeyboardInterrupt
        ended = number
        service.stop()

    numbers = [signal.SIGINT, signal.SIGTERM] + [signal.SIGHUP] * reloads
    previous = {number: signal.signal(number, handle) for number in numbers}
    try:
        with config().errors("source"):
            service.run()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return ended
