"""The table ``watch``: when a microphone counts as dead, and how it is opened again."""

from __future__ import annotations

from typing import Annotated

import msgspec


class WatchOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``watch``, and ``source.watch`` for one microphone.

    Attributes:
        stall: seconds without a block of sound after which a microphone or a live pipe counts as dead.
        silence: seconds of nothing but zeros, or of one sample that never changes, after which it counts as dead, as
            it does from its opening to the first sample that differs; 0 for a microphone that may be so silent.
        retry: seconds between two attempts to open it again, at most; the first attempts come sooner.
        backlog: seconds of sound that may wait for the network; of more, the oldest is dropped.
    """

    stall: Annotated[float, msgspec.Meta(ge=0.5, le=60)] = 2.0
    silence: Annotated[float, msgspec.Meta(ge=0, le=86400)] = 10.0
    retry: Annotated[float, msgspec.Meta(ge=0.1, le=3600)] = 1.0
    backlog: Annotated[float, msgspec.Meta(ge=0.1, le=10)] = 0.5
