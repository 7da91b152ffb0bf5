"""Files that a reader never waits for, or finds half written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kws.common.files import read_file, replacing


def test_the_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"before")
    with replacing(path, mode=0o600, durable=True) as file:
        file.write(b"after")
        file.flush()
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_there_stays_if_writing_fails(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"before")
    half = [b"half"]
    with pytest.raises(IndexError), replacing(path) as file:
        file.writelines(half[i] for i in range(2))
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_only_regular_files_are_read_and_none_is_waited_for(tmp_path: Path) -> None:
    path, fifo = tmp_path / "file", tmp_path / "fifo"
    path.write_bytes(b"four")
    os.mkfifo(fifo)
    assert read_file(path) == read_file(path, limit=4) == b"four"
    with pytest.raises(OSError, match="has more than 3 bytes"):
        read_file(path, limit=3)
    for other in (fifo, Path("/dev/zero")):
        with pytest.raises(OSError, match="is not a regular file"):
            read_file(other)
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)
