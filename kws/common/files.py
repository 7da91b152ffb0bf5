"""Files that a reader never waits for, or finds half written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Yield a regular file, open for reading. Opening a FIFO would wait for a writer, and a device may never end.

    Raises:
        OSError: it cannot be opened, or is not a regular file.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file")
        yield file


def read_file(path: Path, *, limit: int | None = None) -> bytes:
    """Return the contents of a regular file.

    Args:
        path: the file.
        limit: bytes that it may have; None for any number.

    Raises:
        OSError: it cannot be read, is not a regular file, or has more bytes.
    """
    with opened(path) as file:
        data = file.read(-1 if limit is None else limit + 1)
    if limit is not None and len(data) > limit:
        raise OSError(errno.EFBIG, f"has more than {limit} bytes")
    return data


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
