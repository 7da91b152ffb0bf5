from __future__ import annotations

import os
from pathlib import Path

import pytest

from kws.app.scan.recordings import find_recordings, shown
from kws.errors import UsageError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder ``calls`` in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.wav", "a/2.FLAC", "a/1.ogg", "a/note.txt", ".c.wav", ".hidden/d.wav", "a/.e.wav"):
        path = tmp_path / "calls" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"sound")
    return tmp_path / "calls"


def names(*places: str) -> list[str]:
    recordings, problems = find_recordings(places)
    assert problems == []
    return [one.name for one in recordings]


def test_a_folder_is_its_visible_sound_files_by_name(folder: Path) -> None:
    assert names("calls") == ["calls/a/1.ogg", "calls/a/2.FLAC", "calls/b.wav"]
    assert names("calls/a/", "./calls") == names("calls")
    os.chdir(folder)
    assert names(".") == ["a/1.ogg", "a/2.FLAC", "b.wav"]


def test_a_file_that_is_named_may_have_any_name(folder: Path) -> None:
    assert names("calls/a/note.txt", "calls/.c.wav") == ["calls/.c.wav", "calls/a/note.txt"]


def test_a_recording_knows_its_path_and_state(folder: Path) -> None:
    [recording], _ = find_recordings(["calls/b.wav"])
    state = (folder / "b.wav").stat()
    assert recording[1:] == (str((folder / "b.wav").resolve()), 5, state.st_mtime_ns)


def test_a_file_by_several_names_is_one_recording(folder: Path) -> None:
    (folder / "z.wav").symlink_to("b.wav")
    (folder / "link").symlink_to("a")  # the folder keeps its own name
    (folder / "a" / "circle").symlink_to("..")
    assert names("calls", "calls", str(folder), "calls/a", "calls/a/1.ogg") == [
        "calls/a/1.ogg", "calls/a/2.FLAC", "calls/b.wav",
    ]  # fmt: skip


def test_a_link_leads_to_recordings_elsewhere(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "old.wav").write_bytes(b"sound")
    (folder / "old").symlink_to(tmp_path / "disk")
    assert "calls/old/old.wav" in names("calls")


def test_what_cannot_be_read_is_reported_and_the_rest_is_found(folder: Path) -> None:
    (folder / "gone.wav").symlink_to("nowhere.wav")
    os.mkfifo(folder / "pipe.wav")
    recordings, problems = find_recordings(["calls", "calls/pipe.wav"])
    assert len(recordings) == 3
    assert problems == [
        "cannot read calls/gone.wav: No such file or directory",
        "calls/pipe.wav is not a file; pipes are for kws listen",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_cannot_be_read_is_reported(folder: Path) -> None:
    (folder / "a").chmod(0)
    recordings, problems = find_recordings(["calls"])
    (folder / "a").chmod(0o755)
    assert ([one.name for one in recordings], problems) == (["calls/b.wav"], ["cannot read calls/a: Permission denied"])


def test_no_recordings_are_a_mistake(folder: Path) -> None:
    with pytest.raises(UsageError, match=r"^cals: no such file or folder$"):
        find_recordings(["calls", "cals"])
    (folder / "empty").mkdir()
    with pytest.raises(UsageError, match=r"^calls/empty: no recordings \(.flac, .oga, .ogg, .opus, .wav\)$"):
        find_recordings(["calls/empty"])


def test_names_that_are_not_utf8_or_have_line_breaks(folder: Path) -> None:
    for name in (b"\xff.wav", b"two\nlines.wav", "schön.wav".encode()):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(b"sound")
    found = names("calls")
    assert {"calls/\udcff.wav", "calls/two\nlines.wav", "calls/schön.wav"} <= set(found)
    assert [shown(name) for name in found[-3:]] == ["calls/schön.wav", "calls/two\\nlines.wav", "calls/\\udcff.wav"]
