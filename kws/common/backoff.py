"""How long to wait before something is tried again."""

from __future__ import annotations

import random


class Backoff:
    """Seconds to wait between attempts: doubled each time up to a limit, the latter half of it by chance.

    Chance keeps the clients of a broker that comes back from coming all at once.
    """

    def __init__(self, *, first: float = 1.0, limit: float = 60.0) -> None:
        if not 0 < first <= limit:
            raise ValueError("first must be positive and at most limit")
        self._first = first
        self._limit = limit
        self._next = first

    def reset(self) -> None:
        self._next = self._first

    def wait(self) -> float:
        """The next waiting time."""
        seconds = self._next
        self._next = min(self._limit, 2 * seconds)
        return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - nobody guesses at it
