"""Scanning, with threads in place of processes; ``tests/cli/test_scan.py`` has the processes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import soundfile

from kws import Spotter
from kws.app.build import load_model
from kws.app.scan.recordings import Recording, find_recordings
from kws.app.scan.scan import scan, settings
from kws.app.scan.work import Job, Outcome, scan_recording
from kws.audio.file import FileSource
from kws.config.overrides import Override
from kws.config.reading import read_config
from kws.errors import KwsError
from kws.types import Float32Array
from tests.support.toy_model import RATE, tone, write_model


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tones") / "tones")


def make_job(tones: Path, **said: Any) -> Job:
    said = {"model.name": str(tones), **said}
    config = read_config(None, [Override(option=key, key=key, value=value) for key, value in said.items()])
    return Job(config, load_model(config).key)


@pytest.fixture(scope="session")
def job(tones: Path) -> Job:
    return make_job(tones)


def sound(*words: str, gap: float = 0.8) -> Float32Array:
    silence = np.zeros(round(gap * RATE), np.float32)
    return np.concatenate([silence, *(part for word in words for part in (tone(word), silence))])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve recordings."""
    for number in range(12):
        words = ("on", "off", "stop")[: number % 4]
        soundfile.write(tmp_path / f"{number:02}.wav", sound(*words), RATE)
    return tmp_path


class Threads:
    """Threads that scan, and that may die.

    Attributes:
        deaths: by the name of a recording, how often it kills what scans it.
        recovered: how often :meth:`recover` was called.
    """

    died: tuple[type[Exception], ...] = (BrokenPipeError,)

    def __init__(self, width: int, deaths: dict[str, int] | None = None) -> None:
        self.width, self.recovered = width, 0
        self.deaths = deaths or {}
        self._pool = ThreadPoolExecutor(width)
        self._calls: list[Future[Any]] = []
        self._dead = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        return self._pool.submit(self._call, function, *arguments)

    def _call(self, function: Callable[..., Any], job: Job, recording: Recording) -> Any:
        if self._dead:
            raise BrokenPipeError
        name = Path(recording.name).name
        if self.deaths.get(name, 0):
            self.deaths[name] -= 1
            self._dead = True  # and so do all calls that have not ended
            raise BrokenPipeError
        return function(job, recording)

    def recover(self) -> None:
        self.recovered += 1
        self._dead = False


def found_by(outcome: Outcome) -> list[tuple[str, float, float]]:
    return [(one["keyword"], one["start"], one["end"]) for one in outcome.detections]


@pytest.mark.parametrize("width", [1, 3])
def test_each_recording_has_the_detections_of_a_spotter(tones: Path, job: Job, folder: Path, width: int) -> None:
    recordings, _ = find_recordings([str(folder)])
    with Threads(width) as engine:
        outcomes = sorted(scan(engine, job, recordings), key=lambda one: one.name)
    assert [one.name for one in outcomes] == [one.name for one in recordings]
    spotter = Spotter(tones)
    for outcome in outcomes:
        assert (outcome.problem, outcome.warnings) == (None, ())
        alone = [(one.keyword, round(one.start, 3), round(one.end, 3)) for one in spotter.listen(outcome.path)]
        assert found_by(outcome) == alone
    assert sum(len(one.detections) for one in outcomes) == 3 * (1 + 2 + 3)


def test_what_dies_once_is_scanned_again_and_nothing_is_lost_or_doubled(job: Job, folder: Path) -> None:
    recordings, _ = find_recordings([str(folder)])
    with Threads(2, {"03.wav": 1, "07.wav": 1}) as engine:
        outcomes = list(scan(engine, job, recordings))
    assert sorted(one.name for one in outcomes) == [one.name for one in recordings]
    assert not any(one.problem for one in outcomes)
    assert engine.recovered == 2


def test_only_the_recording_that_kills_its_process_twice_has_a_problem(job: Job, folder: Path) -> None:
    recordings, _ = find_recordings([str(folder)])
    with Threads(3, {"05.wav": 99}) as engine:
        outcomes = list(scan(engine, job, recordings))
    assert sorted(one.name for one in outcomes) == [one.name for one in recordings]
    [problem] = [one for one in outcomes if one.problem]
    name = str(folder / "05.wav")
    assert (problem.name, problem.detections) == (name, ())
    assert problem.problem == f"{name}: the process that scanned it was killed; is there enough memory?"


def test_a_scheduler_that_goes_ends_the_scan(job: Job, folder: Path) -> None:
    class Gone(Threads):
        def _call(self, *_: object) -> Any:
            raise CancelledError

    with Gone(1) as engine, pytest.raises(KwsError, match="the scheduler of the cluster has gone; the same command"):
        list(scan(engine, job, find_recordings([str(folder)])[0]))


def outcome_of(job: Job, path: Path) -> Outcome:
    return scan_recording(job, Recording(path.name, str(path), 0, 0))


def test_what_was_heard_before_the_damage_is_kept(job: Job, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, 20 * RATE)
    soundfile.write(tmp_path / "cut.flac", np.concatenate((sound("on"), noise)), RATE)
    whole = (tmp_path / "cut.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    outcome = outcome_of(job, tmp_path / "cut.flac")
    assert outcome.problem is not None
    assert outcome.problem.startswith("cut.flac is damaged or cut short at ")
    assert [one["keyword"] for one in outcome.detections] == ["on"]


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("a.wav", b"", "a.wav is empty (0 bytes)"),
        ("a.wav", b"no sound", "a.wav is not a sound file (WAV, FLAC or Ogg)"),
        ("a\n\udcff.wav", b"", "a\\n\\udcff.wav is empty (0 bytes)"),
        ("a.wav", None, "cannot read a.wav: No such file or directory"),
    ],
)
def test_a_problem_is_one_line_by_the_name_that_the_user_knows(
    job: Job, tmp_path: Path, name: str, data: bytes | None, problem: str
) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    outcome = outcome_of(job, tmp_path / name)
    assert (outcome.name, outcome.problem, outcome.detections) == (name, problem, ())


def test_warnings_of_a_recording_come_with_its_outcome(job: Job, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "cut.wav", sound("on"), RATE)
    whole = (tmp_path / "cut.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[:-8000])
    outcome = outcome_of(job, tmp_path / "cut.wav")
    assert outcome.problem is None
    assert outcome.warnings == ("cut.wav is cut short: it ends after 1.85 s, its header promises 2.10 s",)


@pytest.fixture
def growing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program appends to each recording while it is read."""
    read = FileSource.blocks

    def blocks(self: FileSource) -> Iterator[Any]:
        yield from read(self)
        with self._path.open("ab") as file:
            file.write(b"more")

    monkeypatch.setattr(FileSource, "blocks", blocks)


@pytest.mark.usefixtures("growing")
def test_a_recording_that_grows_is_scanned_again_the_next_time(job: Job, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "grows.wav", sound("on"), RATE)
    outcome = outcome_of(job, tmp_path / "grows.wav")
    assert outcome.problem == "grows.wav changed while it was read; run the scan again"
    assert len(outcome.detections) == 1


def test_the_gain_and_the_channel_are_those_of_the_settings(tones: Path, tmp_path: Path) -> None:
    faint = sound("on") / 10
    soundfile.write(tmp_path / "a.wav", np.stack((np.zeros_like(faint), faint), axis=1), RATE)
    assert outcome_of(make_job(tones), tmp_path / "a.wav").detections == ()
    louder = make_job(tones, **{"source.gain": 20, "source.channel": 2})
    assert len(outcome_of(louder, tmp_path / "a.wav").detections) == 1


def test_a_worker_with_another_model_or_version_scans_nothing(job: Job, tmp_path: Path) -> None:
    with pytest.raises(KwsError, match=r"^a worker has kws .*, not 0\.0; install the same version everywhere$"):
        outcome_of(job._replace(version="0.0"), tmp_path / "a.wav")
    with pytest.raises(KwsError, match=r"^a worker has another model tones; install the same one everywhere$"):
        outcome_of(job._replace(model="0"), tmp_path / "a.wav")


def test_a_long_recording_is_never_in_memory_as_a_whole(tones: Path, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, 60 * RATE)
    with soundfile.SoundFile(tmp_path / "long.wav", "w", RATE, 1) as file:
        for _ in range(5):
            file.write(noise)
    # Few windows: while memory is traced, each takes ten times as long.
    job = make_job(tones, **{"decision.hop": 0.5, "decision.smoothing": 0.5})
    tracemalloc.start()
    try:
        assert outcome_of(job, tmp_path / "long.wav").problem is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000  # of 19 MB of samples


def test_the_settings_of_a_scan_are_all_that_detections_depend_on(tones: Path) -> None:
    def made(**said: Any) -> dict[str, Any]:
        job = make_job(tones, **said)
        return settings(job.config, load_model(job.config))

    plain = made()
    assert plain["model"] == "tones 1.0"
    for path, value in {
        "decision.hop": 0.1, "decision.threshold": 0.6, "keyword.on.refractory": 2, "gate.wake_words": ["on"],
        "source.gain": 3, "source.channel": 1, "model.skip_windows": False,
    }.items():  # fmt: skip
        assert made(**{path: value}) != plain, path
    assert made(**{"model.threads": 2, "log.level": "debug"}) == plain
