"""Files that a reader never finds half written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replacing(path: Path, *, mode: int = 0o666, durable: bool = False) -> Iterator[BinaryIO]:
    """Yield a file that takes the place of ``path`` when the block ends without an error.

    Processes that write the same file at the same time each write a file of their own; the last one stays.

    Args:
        path: the file, in a folder that exists.
        mode: its permissions, from which the umask takes away.
        durable: True if the file is on the disk when this returns; else it may be empty after a power cut.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(unfinished, "wb", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, mode)) as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
