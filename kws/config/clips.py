"""Which sound is kept, how much of it, and where."""

from __future__ import annotations

from typing import Annotated

import msgspec

_Seconds = Annotated[float, msgspec.Meta(ge=0, le=10)]


class ClipsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``clips``; without it no sound is kept. With it, people are recorded.

    Attributes:
        folder: that the recordings go to; None for ``clips`` in the state directory that systemd gives the service,
            else in the user's.
        quota: megabytes that they may take up together; the oldest are removed first.
        before: seconds before the word.
        after: seconds after it.
        near_misses: whether what nearly fired is kept too.
    """

    folder: str | None = None
    quota: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] = 100.0
    before: _Seconds = 1.0
    after: _Seconds = 1.0
    near_misses: bool = False
