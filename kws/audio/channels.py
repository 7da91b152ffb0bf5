"""The channel of a recording that is heard."""

from __future__ import annotations

from kws.errors import UsageError


def check_channel(channel: int | None, available: int | None = None, *, name: str = "") -> None:
    """Raise a UsageError for a channel that cannot be, or that a source with ``available`` channels has not.

    Channels are counted from 1; None means the mean of all.
    """
    if channel is None:
        return
    if channel < 1:
        raise UsageError(f"channel {channel}: channels are counted from 1")
    if available is not None and channel > available:
        have = "only one channel" if available == 1 else f"{available} channels"
        raise UsageError(f"{name} has {have}, there is no channel {channel}")
