"""Recordings of what was heard, down to the files; the disks that are full are real ones where that can be."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from kws.config.schema import ClipsOptions
from kws.decision import NearMiss, Reason
from kws.service.clips.observer import ClipObserver
from kws.service.clips.recorder import ClipCounts, encode
from kws.types import AudioBlock, Detection, Float32Array
from tests.support.small_disk import small_disk  # noqa: F401 - a fixture
from tests.support.waiting import wait_until

RATE = 16000
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOISE: Float32Array = (0.1 * np.random.default_rng(1).standard_normal(10 * RATE)).astype(np.float32)


def said(start: float, end: float, *, keyword: str = "on", score: float = 0.974, after: float = 0) -> Detection:
    time = NOON + timedelta(seconds=after)
    return Detection(keyword=keyword, score=score, start=start, end=end, time=time, model="test")


def block(begin: float, end: float) -> AudioBlock:
    first = round(begin * RATE)
    return AudioBlock(NOISE[first : round(end * RATE)], first)


def clipper(folder: Path, **options: Any) -> ClipObserver:
    observer = ClipObserver(ClipsOptions(folder=str(folder), **options))
    observer.opened("kitchen", "USB", RATE)
    return observer


def counts(clips: ClipObserver) -> ClipCounts:
    assert clips.counts
    return clips.counts


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_the_second_before_and_the_second_after(tmp_path: Path) -> None:
    clips = clipper(tmp_path)
    clips.sound("kitchen", block(0, 4))
    clips.detected("kitchen", said(3.2, 3.9))
    clips.sound("kitchen", block(4, 4.5))
    assert names(tmp_path) == []
    clips.sound("kitchen", block(4.5, 5))
    wait_until(lambda: counts(clips).saved == 1)
    held = counts(clips).bytes
    clips.close()
    (name,) = names(tmp_path)
    assert name == "20260101T120000.000Z_on_0.97_kitchen.flac"
    sound, rate = soundfile.read(tmp_path / name, dtype="float32")
    assert rate == RATE
    np.testing.assert_allclose(sound, NOISE[round(2.2 * RATE) : round(4.9 * RATE)], atol=1 / 32768)
    assert held == (tmp_path / name).stat().st_size
    with soundfile.SoundFile(tmp_path / name) as file:
        assert json.loads(file.comment) == {
            "keyword": "on", "score": 0.974, "site": "kitchen", "time": "2026-01-01T12:00:00.000Z",
            "start": 1.0, "end": 1.7,
        }  # fmt: skip


def test_a_gap_ends_a_recording(tmp_path: Path) -> None:
    clips = clipper(tmp_path)
    clips.sound("kitchen", block(0, 4))
    clips.detected("kitchen", said(3.2, 3.9))
    clips.sound("kitchen", block(4.1, 8))
    clips.close()
    (name,) = names(tmp_path)
    assert soundfile.info(tmp_path / name).frames == round(1.8 * RATE)


@pytest.mark.parametrize("end", ["close", "lost", "muted", "opened"])
def test_the_end_keeps_what_is_under_way(tmp_path: Path, end: str) -> None:
    clips = clipper(tmp_path)
    clips.sound("kitchen", block(0, 4))
    clips.detected("kitchen", said(3.2, 3.9))
    match end:
        case "lost":
            clips.lost("kitchen", "unplugged")
        case "muted":
            clips.muted("kitchen")
        case "opened":
            clips.opened("kitchen", "USB", 48000)
    if end != "close":
        assert clips._cutters == {}  # no sound is remembered either
    clips.close()
    (name,) = names(tmp_path)
    assert soundfile.info(tmp_path / name).frames == round(1.8 * RATE)


def test_a_source_has_a_rate_of_its_own_and_is_none_of_the_others(tmp_path: Path) -> None:
    clips = clipper(tmp_path)
    clips.opened("bath", "USB", 2 * RATE)
    clips.sound("kitchen", block(0, 4))
    clips.sound("bath", AudioBlock(NOISE, 0))
    clips.detected("bath", said(2, 2.5))
    clips.sound("kitchen", block(5, 6))
    wait_until(lambda: counts(clips).saved == 1)
    clips.close()
    (name,) = names(tmp_path)
    assert name.split("_")[-1] == "bath.flac"
    sound, rate = soundfile.read(tmp_path / name, dtype="float32")
    assert rate == 2 * RATE
    np.testing.assert_allclose(sound, NOISE[1 * rate : round(3.5 * rate)], atol=1 / 32768)


def test_without_being_asked_it_remembers_nothing_and_a_reload_turns_it_on_and_off(tmp_path: Path) -> None:
    clips = ClipObserver()
    clips.opened("kitchen", "USB", RATE)
    clips.sound("kitchen", block(0, 4))
    clips.detected("kitchen", said(3.2, 3.9))
    assert clips._cutters == {}
    assert clips.counts is None
    clips.follow(ClipsOptions(folder=str(tmp_path)))
    clips.sound("kitchen", block(4, 7))
    clips.detected("kitchen", said(5, 5.5))
    wait_until(lambda: counts(clips).saved == 1)
    clips.follow(ClipsOptions(folder=str(tmp_path)))  # the same
    assert counts(clips).saved == 1
    clips.follow(None)
    assert clips._cutters == {}
    clips.sound("kitchen", block(7, 9))
    clips.detected("kitchen", said(7.5, 8))
    clips.close()
    assert len(names(tmp_path)) == 1


MISS = NearMiss(keyword="stop", score=0.61, threshold=0.8, end=3 * RATE, reason=Reason.BELOW_THRESHOLD)


def test_near_misses_are_kept_where_they_are_asked_for(tmp_path: Path) -> None:
    for folder, wanted in ((tmp_path / "without", False), (tmp_path / "with", True)):
        clips = clipper(folder, near_misses=wanted, before=0.5)
        clips.opened("Küche / links", "USB", RATE)
        clips.sound("Küche / links", block(0, 5))
        clips.near_miss("Küche / links", MISS, RATE)
        clips.close()
    assert names(tmp_path / "without") == []
    (name,) = names(tmp_path / "with")
    assert re.fullmatch(r"\d{8}T\d{6}\.\d{3}Z_stop_0\.61_Küche-links_near-miss\.flac", name)
    with soundfile.SoundFile(tmp_path / "with" / name) as file:
        assert file.frames == round(2.5 * RATE)
        assert json.loads(file.comment)["near_miss"] == "below threshold"


def test_names_sort_by_time(tmp_path: Path) -> None:
    clips = clipper(tmp_path)
    clips.sound("kitchen", block(0, 5))
    for seconds, keyword in ((0.0, "yes"), (0.001, "no"), (61, "go"), (86400, "a")):
        clips.detected("kitchen", said(2, 3, keyword=keyword, after=seconds))
    clips.close()
    assert [name.split("_")[1] for name in names(tmp_path)] == ["yes", "no", "go", "a"]


def test_the_quota_is_kept(tmp_path: Path) -> None:
    size = len(encode(NOISE[: 3 * RATE], RATE, {"keyword": "on"}))
    clips = clipper(tmp_path, quota=3.5 * size / 1e6)
    clips.sound("kitchen", block(0, 5))
    for second in range(6):
        clips.detected("kitchen", said(2, 3, after=second))
    wait_until(lambda: counts(clips).saved == 6)
    assert counts(clips).dropped == 0
    clips.close()
    assert [name[13:15] for name in names(tmp_path)] == ["03", "04", "05"]


def test_a_full_disk_is_logged_once_and_costs_only_recordings(
    small_disk: Path,  # noqa: F811
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = small_disk / "clips"
    clips = clipper(folder)
    clips.sound("kitchen", block(0, 5))
    with caplog.at_level(logging.INFO, "kws"):
        for second in range(10):  # of some 75 kB each
            clips.detected("kitchen", said(2, 3, after=second))
        wait_until(lambda: counts(clips).saved + counts(clips).dropped == 10)
        saved, dropped = counts(clips).saved, counts(clips).dropped
        assert saved >= 1
        assert dropped >= 5
        assert len(names(folder)) == saved
        assert caplog.messages == [f"{folder}: dropped a recording: No space left on device"]
        for name in names(folder):
            assert soundfile.info(folder / name).frames == 3 * RATE  # none of them is cut short
            (folder / name).unlink()
        clips.detected("kitchen", said(2, 3, after=20))
        wait_until(lambda: counts(clips).saved == saved + 1)
        assert caplog.messages[1:] == [f"{folder}: {dropped} recordings were dropped: No space left on device"]
    clips.close()


def test_a_folder_that_cannot_be_made_is_said_once_and_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    clips = clipper(tmp_path / "file" / "clips")
    clips.sound("kitchen", block(0, 5))
    with caplog.at_level(logging.INFO, "kws"):
        clips.detected("kitchen", said(2, 3))
        clips.detected("kitchen", said(2, 3, after=1))
        wait_until(lambda: counts(clips).dropped == 2)
        assert caplog.messages == [f"{tmp_path}/file/clips: dropped a recording: Not a directory"]
        (tmp_path / "file").unlink()
        clips.detected("kitchen", said(2, 3))
        wait_until(lambda: counts(clips).saved == 1)
    clips.close()


def test_a_disk_that_hangs_does_not_delay_listening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    thaw = threading.Event()
    monkeypatch.setattr("kws.common.files.os.fsync", lambda _number: thaw.wait(30))
    monkeypatch.setattr("kws.service.clips.observer._END_SECONDS", 0.05)
    clips = clipper(tmp_path)
    clips.sound("kitchen", block(0, 5))
    with caplog.at_level(logging.INFO, "kws"):
        for second in range(30):  # one that hangs, 20 that wait, the others are dropped
            clips.detected("kitchen", said(2, 3, after=second))
            if second == 0:
                wait_until(lambda: any(name.endswith(".part") for name in names(tmp_path)))
        assert counts(clips).dropped == 9
        assert caplog.messages == [f"{tmp_path}: dropped a recording: more than 20 waited"]
    recorder = clips._recorder
    assert recorder
    clips.close()
    assert recorder.counts.dropped == 29
    thaw.set()
    wait_until(lambda: recorder.counts.saved == 1)


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
    assert ClipsOptions(folder=folder).path(environment) == Path(expected)


def test_loud_sound_is_clipped_and_does_not_wrap() -> None:
    loud = np.array([2.0, -2.0, 0.5] * 1000, np.float32)
    sound, _ = soundfile.read(io.BytesIO(encode(loud, RATE, {"keyword": "on"})), dtype="float32")
    np.testing.assert_allclose(sound[:3], [1.0, -1.0, 0.5], atol=1e-4)
