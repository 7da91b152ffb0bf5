from __future__ import annotations

from pathlib import Path

import pytest

from kws.service.clips.recorder import ClipStore


def name(second: int) -> str:
    return f"20260101T1200{second:02}.000Z_on_0.97_kitchen.flac"


def kept(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_oldest_make_room(tmp_path: Path) -> None:
    store = ClipStore(tmp_path, 250)
    store.open()
    assert [store.save(name(second), bytes(100)) for second in range(4)] == [100, 200, 200, 200]
    assert kept(tmp_path) == [name(2), name(3)]


def test_what_others_keep_there_is_neither_counted_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "holiday.flac").write_bytes(bytes(1000))
    store = ClipStore(tmp_path, 100)
    store.open()
    store.save(name(1), bytes(100))
    store.save(name(2), bytes(100))
    assert kept(tmp_path) == [name(2), "holiday.flac"]


def test_it_counts_what_an_earlier_run_left(tmp_path: Path) -> None:
    (tmp_path / name(1)).write_bytes(bytes(100))
    (tmp_path / f"{name(2)}.12.part").write_bytes(bytes(100))
    (tmp_path / ".other.part").touch()
    store = ClipStore(tmp_path, 150)
    store.open()
    store.save(name(3), bytes(100))
    assert kept(tmp_path) == [".other.part", name(3)]


def test_one_that_is_larger_than_the_quota_is_refused_and_removes_nothing(tmp_path: Path) -> None:
    store = ClipStore(tmp_path, 100)
    store.save(name(1), bytes(100))
    with pytest.raises(OSError, match="a recording of 101 bytes is larger than the quota of 100"):
        store.save(name(2), bytes(101))
    assert kept(tmp_path) == [name(1)]


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "clips"
    store = ClipStore(folder, 100)
    store.open()
    store.save(name(1), b"flac")
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / name(1)).stat().st_mode & 0o777 == 0o600
    assert (folder / name(1)).read_bytes() == b"flac"


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ClipStore(tmp_path, 100)

    def fail(_number: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        store.save(name(1), b"flac")
    assert kept(tmp_path) == []
