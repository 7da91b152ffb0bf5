"""The choice of one channel of a recording."""

from __future__ import annotations

from kws.errors import OptionError


def check_channel(channel: int | None, available: int | None = None, *, name: str = "") -> None:
    """Raise an OptionError unless ``channel`` can be chosen from a source with ``available`` channels.

    Channels are counted from 1; None, the mean of all, is always fine.
    """
    if channel is None:
        return
    if channel < 1:
        raise OptionError("channel", f"{channel}: channels are counted from 1")
    if available is not None and channel > available:
        have = "only one channel" if available == 1 else f"{available} channels"
        raise OptionError("channel", f"{name} has {have}, there is no channel {channel}")
