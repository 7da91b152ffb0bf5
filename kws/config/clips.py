"""The table ``clips``: which sound is recorded, and where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from kws.common.tables import Text
from kws.config.places import state_folder

_Seconds = Annotated[float, msgspec.Meta(ge=0, le=10)]


class ClipsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``clips``. Without it nothing is recorded; with it, people are.

    Attributes:
        folder: for the recordings; None for ``clips`` in the state directory of the systemd service or of the user.
        quota: megabytes for all recordings; the oldest are removed first.
        before: seconds of sound before the word.
        after: seconds of sound after the word.
        near_misses: record keywords that nearly fired, too.
    """

    folder: Text | None = None
    quota: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] = 100.0
    before: _Seconds = 1.0
    after: _Seconds = 1.0
    near_misses: bool = False

    def path(self, environment: Mapping[str, str]) -> Path:
        """Return the folder of the recordings, given the environment variables of the process."""
        if self.folder is not None:
            return Path(self.folder)
        return state_folder(environment) / "clips"
