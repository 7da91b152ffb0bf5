"""Files that a reader never finds half written."""

from __future__ import annotations

from pathlib import Path

import pytest

from kws.common.files import replacing


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
