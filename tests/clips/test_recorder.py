"""Recordings of what was heard, down to the files; the disks that are full are real ones where that can be."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from kws.clips.recorder import Recorder, clip_folder, encode
from kws.clips.settings import ClipsOptions
from kws.decision import Fired, NearMiss, Reason
from kws.values import AudioBlock, Float32Array

RATE = 16000
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOISE: Float32Array = (0.1 * np.random.default_rng(1).standard_normal(10 * RATE)).astype(np.float32)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def fired(start: float, end: float, *, keyword: str = "on", score: float = 0.974) -> Fired:
    return Fired(keyword=keyword, score=score, start=round(start * RATE), end=round(end * RATE))


def block(begin: float, end: float) -> AudioBlock:
    first = round(begin * RATE)
    return AudioBlock(NOISE[first : round(end * RATE)], first)


def recorder(folder: Path, **options: Any) -> Recorder:
    return Recorder(ClipsOptions(folder=str(folder), **options), rate=RATE)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_the_second_before_and_the_second_after(tmp_path: Path) -> None:
    clips = recorder(tmp_path)
    ear = clips.ear("kitchen", window=RATE)
    ear.hear(block(0, 4))
    ear.fired(fired(3.2, 3.9), NOON)
    ear.hear(block(4, 4.5))
    assert names(tmp_path) == []
    ear.hear(block(4.5, 5))
    until(lambda: clips.counts.saved == 1)
    clips.close()
    (name,) = names(tmp_path)
    assert name == "20260101T120000.000Z_on_0.97_kitchen.flac"
    sound, rate = soundfile.read(tmp_path / name, dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(sound, NOISE[round(2.2 * RATE) : round(4.9 * RATE)], atol=1 / 32768)
    assert clips.counts.bytes == (tmp_path / name).stat().st_size
    with soundfile.SoundFile(tmp_path / name) as file:
        assert json.loads(file.comment) == {
            "keyword": "on", "score": 0.974, "source": "kitchen", "time": "2026-01-01T12:00:00.000Z",
            "start": 1.0, "end": 1.7,
        }  # fmt: skip


def test_a_gap_ends_a_recording(tmp_path: Path) -> None:
    clips = recorder(tmp_path)
    ear = clips.ear("kitchen", window=RATE)
    ear.hear(block(0, 4))
    ear.fired(fired(3.2, 3.9), NOON)
    ear.hear(block(4.1, 8))
    clips.close()
    (name,) = names(tmp_path)
    assert soundfile.info(tmp_path / name).frames == round(1.8 * RATE)


def test_the_end_keeps_what_is_under_way(tmp_path: Path) -> None:
    clips = recorder(tmp_path)
    ear = clips.ear("kitchen", window=RATE)
    ear.hear(block(0, 4))
    ear.fired(fired(3.2, 3.9), NOON)
    ear.end()
    clips.close()
    assert len(names(tmp_path)) == 1
    ear.end()
    assert clips.counts.saved == 1


def test_the_silence_that_a_stream_is_begun_with_is_not_recorded(tmp_path: Path) -> None:
    clips = recorder(tmp_path)
    ear = clips.ear("kitchen", window=RATE)
    ear.hear(AudioBlock(np.zeros(RATE, np.float32), -RATE))
    ear.hear(block(0, 3))
    ear.fired(fired(-0.1, 0.4), NOON)
    clips.close()
    (name,) = names(tmp_path)
    assert soundfile.info(tmp_path / name).frames == round(1.4 * RATE)


MISS = NearMiss(keyword="stop", score=0.61, threshold=0.8, end=3 * RATE, reason=Reason.BELOW_THRESHOLD)


def test_near_misses_are_kept_where_they_are_asked_for(tmp_path: Path) -> None:
    for folder, wanted in ((tmp_path / "without", False), (tmp_path / "with", True)):
        clips = recorder(folder, near_misses=wanted, before=0.5)
        ear = clips.ear("Küche / links", window=RATE)
        ear.hear(block(0, 5))
        ear.missed(MISS, NOON)
        clips.close()
    assert names(tmp_path / "without") == []
    (name,) = names(tmp_path / "with")
    assert name == "20260101T120000.000Z_stop_0.61_Küche-links_near-miss.flac"
    with soundfile.SoundFile(tmp_path / "with" / name) as file:
        assert file.frames == round(2.5 * RATE)
        assert json.loads(file.comment)["near_miss"] == "below threshold"


def test_names_sort_by_time(tmp_path: Path) -> None:
    clips = recorder(tmp_path)
    ear = clips.ear("kitchen", window=RATE)
    ear.hear(block(0, 5))
    for seconds, keyword in ((0.0, "yes"), (0.001, "no"), (61, "go"), (86400, "a")):
        ear.fired(fired(2, 3, keyword=keyword), NOON + timedelta(seconds=seconds))
    clips.close()
    assert [name.split("_")[1] for name in names(tmp_path)] == ["yes", "no", "go", "a"]


def test_the_quota_is_kept(tmp_path: Path) -> None:
    size = len(encode(NOISE[: 3 * RATE], RATE, {"keyword": "on"}))
    clips = recorder(tmp_path, quota=3.5 * size / 1e6)
    ear = clips.ear("kitchen", window=RATE)
    ear.hear(block(0, 5))
    for second in range(6):
        ear.fired(fired(2, 3), NOON + timedelta(seconds=second))
    clips.close()
    assert [name[13:15] for name in names(tmp_path)] == ["03", "04", "05"]
    assert clips.counts.saved == 6
    assert clips.counts.dropped == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a quarter of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "kws-test", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_said_once_and_hurts_nobody(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = small_disk / "clips"
    clips = recorder(folder)
    ear = clips.ear("kitchen", window=RATE)
    ear.hear(block(0, 5))
    with caplog.at_level(logging.INFO, "kws"):
        for second in range(10):  # of some 75 kB each
            ear.fired(fired(2, 3), NOON + timedelta(seconds=second))
        until(lambda: clips.counts.saved + clips.counts.dropped == 10)
        saved, dropped = clips.counts.saved, clips.counts.dropped
        assert saved >= 1
        assert dropped >= 5
        assert len(names(folder)) == saved
        assert caplog.messages == [f"{folder}: a recording is lost: No space left on device"]
        for name in names(folder):
            assert soundfile.info(folder / name).frames == 3 * RATE  # none of them is cut short
            (folder / name).unlink()
        ear.fired(fired(2, 3), NOON + timedelta(seconds=20))
        until(lambda: clips.counts.saved == saved + 1)
        assert caplog.messages[1:] == [f"{folder}: recordings are kept again; {dropped} were lost"]
    clips.close()


def test_a_folder_that_cannot_be_made_is_said_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    clips = recorder(tmp_path / "file" / "clips")
    ear = clips.ear("kitchen", window=RATE)
    ear.hear(block(0, 5))
    with caplog.at_level(logging.INFO, "kws"):
        ear.fired(fired(2, 3), NOON)
        ear.fired(fired(2, 3), NOON + timedelta(seconds=1))
        until(lambda: clips.counts.dropped == 2)
        assert caplog.messages == [f"{clips.folder}: a recording is lost: Not a directory"]
        (tmp_path / "file").unlink()
        ear.fired(fired(2, 3), NOON)
        until(lambda: clips.counts.saved == 1)
    clips.close()


def test_a_disk_that_hangs_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    thaw = threading.Event()
    monkeypatch.setattr("kws.clips.store.os.fsync", lambda _number: thaw.wait(30))
    monkeypatch.setattr("kws.clips.recorder._END_SECONDS", 0.05)
    clips = recorder(tmp_path)
    ear = clips.ear("kitchen", window=RATE)
    ear.hear(block(0, 5))
    with caplog.at_level(logging.INFO, "kws"):
        for second in range(30):  # one that hangs, 20 that wait, the others are dropped
            ear.fired(fired(2, 3), NOON + timedelta(seconds=second))
            if second == 0:
                until(lambda: any(name.endswith(".part") for name in names(tmp_path)))
        assert clips.counts.dropped == 9
        assert caplog.messages == [f"{tmp_path}: a recording is lost: more than 20 wait for the disk"]
    clips.close()
    assert clips.counts.dropped == 29
    thaw.set()
    until(lambda: clips.counts.saved == 1)


def test_what_comes_after_the_end_is_dropped(tmp_path: Path) -> None:
    clips = recorder(tmp_path)
    ear = clips.ear("kitchen", window=RATE)
    clips.close()
    ear.hear(block(0, 5))
    ear.fired(fired(2, 3), NOON)
    assert (clips.counts.saved, clips.counts.dropped) == (0, 1)


@pytest.mark.parametrize(
    ("folder", "environment", "expected"),
    [
        ("/x", {"STATE_DIRECTORY": "/var/lib/kws"}, "/x"),
        (None, {"STATE_DIRECTORY": "/var/lib/kws:/var/lib/more", "HOME": "/home/a"}, "/var/lib/kws/clips"),
        (None, {"XDG_STATE_HOME": "/state", "HOME": "/home/a"}, "/state/kws/clips"),
        (None, {"HOME": "/home/a"}, "/home/a/.local/state/kws/clips"),
    ],
)
def test_the_folder(folder: str | None, environment: dict[str, str], expected: str) -> None:
    assert clip_folder(ClipsOptions(folder=folder), environment) == Path(expected)


def test_loud_sound_is_clipped_and_does_not_wrap() -> None:
    loud = np.array([2.0, -2.0, 0.5] * 1000, np.float32)
    sound, _ = soundfile.read(io.BytesIO(encode(loud, RATE, {"keyword": "on"})), dtype="float32")
    np.testing.assert_allclose(sound[:3], [1.0, -1.0, 0.5], atol=1e-4)
