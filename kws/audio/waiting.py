"""Waiting for descriptors."""

from __future__ import annotations

import select


def readable(*descriptors: int, timeout: float | None) -> list[int]:
    """Return the descriptors that have data, have ended or are broken; empty after ``timeout`` seconds."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    milliseconds = None if timeout is None else round(timeout * 1000)
    return [descriptor for descriptor, _ in poll.poll(milliseconds)]
