"""A folder of recordings that stays within its quota and never holds half a file."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

#: Names of recordings; no other file in the folder is counted or removed.
_NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z_.+\.flac")

_UNFINISHED = ".part"


class ClipStore:
    """Recordings in a folder. The oldest make room for new ones; names sort by time.

    Args:
        folder: made if it is missing, readable by its owner only.
        quota: bytes for all recordings.
    """

    def __init__(self, folder: Path, quota: int) -> None:
        self.folder = folder
        self._quota = quota

    def open(self) -> None:
        """Make the folder, and remove unfinished files of an earlier run.

        Raises:
            OSError: the folder cannot be used.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self.folder.glob(f".*{_UNFINISHED}"):
            if _NAME.fullmatch(path.name.removeprefix(".").removesuffix(_UNFINISHED)):
                path.unlink(missing_ok=True)

    def save(self, name: str, data: bytes) -> int:
        """Save a recording, and return the bytes that all of them take up.

        Raises:
            OSError: it cannot be written; nothing of it stays.
        """
        unfinished = self.folder / f".{name}{_UNFINISHED}"
        held = self._make_room(len(data))
        try:
            with open(unfinished, "xb", opener=_private) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # else it may be empty after a power cut
            unfinished.rename(self.folder / name)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise
        return held + len(data)

    def _make_room(self, size: int) -> int:
        """Remove the oldest recordings until ``size`` bytes fit, and return the bytes of the others.

        Raises:
            OSError: the folder cannot be read, or ``size`` exceeds the quota.
        """
        if size > self._quota:
            raise OSError(f"a recording of {size} bytes is larger than the quota of {self._quota}")
        with os.scandir(self.folder) as entries:
            sizes = {entry.path: entry.stat().st_size for entry in entries if _NAME.fullmatch(entry.name)}
        held = sum(sizes.values())
        for path in sorted(sizes):
            if held + size <= self._quota:
                break
            Path(path).unlink(missing_ok=True)
            held -= sizes[path]
        return held


def _private(path: str, flags: int) -> int:
    """Open a file that only its owner may read: it holds what people said."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
