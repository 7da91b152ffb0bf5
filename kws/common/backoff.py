"""Waiting times between attempts."""

from __future__ import annotations


class Backoff:
    """Seconds to wait between attempts: doubled each time up to a limit, then reduced by up to half at random.

    The random part keeps the clients of a broker that comes back from connecting all at once.
    """

    def __init__(self, *, first: float = 1.0, limit: float = 60.0) -> None:
        if not 0 < first <= limit:
            raise ValueError("first must be positive and at most limit")
        self._first = self._next = first
        self._limit = limit

    def reset(self) -> None:
        """Begin again with the first waiting time."""
        self._next = self._first

    def wait(self) -> float:
        """Return the next waiting time in seconds."""
        import random  # noqa: PLC0415 - most programs never wait

        seconds = self._next
        self._next = min(self._limit, 2 * seconds)
        return seconds * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
