"""A folder of recordings that never takes up more room than it is given, and never holds half a file."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

#: Names of recordings; nothing else in the folder is counted or removed.
_NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z_.+\.flac")

_UNFINISHED = ".part"


class ClipStore:
    """Recordings in a folder, the oldest of which make room for new ones. Names sort by time.

    Args:
        folder: made where it is missing, for nobody but its owner to look into.
        quota: bytes that all recordings may take up together.
    """

    def __init__(self, folder: Path, quota: int) -> None:
        self.folder = folder
        self._quota = quota

    def open(self) -> None:
        """Make the folder, and remove what a run that was cut short left half-written.

        Raises:
            OSError: it cannot be used.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self.folder.glob(f".*{_UNFINISHED}"):
            if _NAME.fullmatch(path.name.removeprefix(".").removesuffix(_UNFINISHED)):
                path.unlink(missing_ok=True)

    def save(self, name: str, data: bytes) -> int:
        """Keep a recording; the bytes that all take up then.

        Raises:
            OSError: it cannot be written; nothing of it is left then.
        """
        path = self.folder / name
        unfinished = self.folder / f".{name}{_UNFINISHED}"
        held = self._make_room(len(data))
        try:
            with open(unfinished, "xb", opener=_private) as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # renamed before it is on the disk, it might be empty after a power cut
            unfinished.rename(path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise
        return held + len(data)

    def _make_room(self, size: int) -> int:
        """Remove the oldest until there is room; the bytes that the others take up.

        Raises:
            OSError: the folder cannot be read, or more is asked for than there can be.
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
    """Opens a file that nobody but its owner may read: it holds what people said."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o600)
