"""Wait for something that another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(
    condition: Callable[[], bool], what: str | Callable[[], str] = "the condition", *, timeout: float = 20.0
) -> None:
    """Check a condition every 5 ms until it is true. Where an event can be awaited, await the event instead.

    Args:
        condition: is called until it returns True.
        what: names the condition in the error message; a function is called when the time is over.
        timeout: seconds. Generous, because the machine may be busy: only a failing test waits as long.

    Raises:
        AssertionError: the condition stayed false.
    """
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"no {what if isinstance(what, str) else what()} within {timeout:g} s"
        time.sleep(0.005)
