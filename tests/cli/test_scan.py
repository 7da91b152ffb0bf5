"""``kws scan`` as users start it: interrupted, on several processes, and on a real Dask cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support.dask_cluster import dask_cluster
from tests.support.program import COMMAND, error, kws, start
from tests.support.terminal import in_terminal
from tests.support.toy_model import RATE, tone, write_model
from tests.support.waiting import wait_until

COUNT = 40
BAD = "kws: calls/bad.wav is not a sound file (WAV, FLAC or Ogg)"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and forty recordings of ten seconds and one that is none in the folder ``calls``."""
    folder = tmp_path_factory.mktemp("scan")
    write_model(folder / "tones")
    (folder / "calls").mkdir()
    (folder / "calls" / "bad.wav").write_text("no sound")
    rng = np.random.default_rng(1)
    for number in range(COUNT):
        sound = rng.normal(0, 1e-3, 10 * RATE).astype(np.float32)
        for place, word in enumerate(("on", "off", "stop")[: number % 4]):
            sound[(1 + 2 * place) * RATE :][: RATE // 2] += tone(word)
        soundfile.write(folder / "calls" / f"{number:02}.flac", sound, RATE)
    return folder


def arguments(out: Path, *more: str) -> tuple[str, ...]:
    return ("scan", "calls", "--model", "tones", "--out", str(out), *more)


def scanned(folder: Path, out: Path, *more: str) -> bytes:
    """Scan to the end and return the output."""
    done = kws(*arguments(out, *more), cwd=folder)
    assert done.returncode == 3
    assert BAD in done.stderr.splitlines()
    assert done.stderr.count("\n") <= 3
    return out.read_bytes()


@pytest.fixture(scope="module")
def expected(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The output of one process that nothing interrupts."""
    output = scanned(folder, tmp_path_factory.mktemp("expected") / "found.csv", "--jobs", "1")
    rows = [line.split(",")[:2] for line in output.decode().splitlines()]
    assert rows == [["file", "keyword"]] + [
        [f"calls/{number:02}.flac", word]
        for number in range(COUNT)
        for word in ("on", "off", "stop")[: number % 4]
    ]  # fmt: skip
    return output


def scanned_lines(out: Path) -> int:
    progress = out.with_name(f"{out.name}.progress")
    return max(0, progress.read_bytes().count(b"\n") - 1) if progress.exists() else 0


def done_names(out: Path) -> list[str]:
    """Return the name of each recording as often as it was scanned without problems."""
    _, *lines = out.with_name(f"{out.name}.progress").read_text().splitlines()
    return sorted(one["name"] for one in map(json.loads, lines) if not one["problem"])


def begun(folder: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    """Start a scan and wait until some recordings are done."""
    program = start(*arguments(out, *more), cwd=folder)
    wait_until(lambda: scanned_lines(out) >= 3 or program.poll() is not None, "recording scanned", timeout=60)
    return program


def children(program: subprocess.Popen[bytes]) -> list[int]:
    """Return the processes that a program started in its main thread, as it started them."""
    return list(map(int, Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()))


def is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_two_processes_find_the_same(folder: Path, expected: bytes, tmp_path: Path) -> None:
    assert scanned(folder, tmp_path / "found.csv", "--jobs", "2") == expected


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_scan_goes_on(folder: Path, expected: bytes, tmp_path: Path, number: int, code: int) -> None:
    out = tmp_path / "found.csv"
    program = begun(folder, out, "--jobs", "2")
    os.kill(program.pid, signal.SIGSTOP)  # so that it does not finish meanwhile, on a busy machine
    processes = children(program)
    assert len(processes) >= 2
    for process in (*(processes if number == signal.SIGINT else ()), program.pid):  # a terminal's reaches all
        os.kill(process, number)
    os.kill(program.pid, signal.SIGCONT)
    _, err = program.communicate(timeout=60)
    assert program.returncode == code
    if number != signal.SIGKILL:
        message = "kws: interrupted; the same command goes on from here\n"
        assert err.decode().replace(f"{BAD}\n", "") == message
    assert 3 <= scanned_lines(out) < COUNT
    assert not out.exists()
    wait_until(lambda: not any(map(is_alive, processes)), "end of its processes")
    assert scanned(folder, out, "--jobs", "2") == expected
    assert done_names(out) == [f"calls/{number:02}.flac" for number in range(COUNT)]


def test_a_process_that_is_killed_loses_and_doubles_nothing(folder: Path, expected: bytes, tmp_path: Path) -> None:
    out = tmp_path / "found.csv"
    program = begun(folder, out, "--jobs", "2")
    os.kill(children(program)[-1], signal.SIGKILL)
    _, err = program.communicate(timeout=60)
    assert (program.returncode, err.count(b"\n")) == (3, 2), err
    assert out.read_bytes() == expected


def test_recordings_that_come_later_are_added(folder: Path, expected: bytes, tmp_path: Path) -> None:
    out = tmp_path / "found.csv"
    first = kws("scan", "calls/01.flac", "calls/bad.wav", "--model", "tones", "--out", out, cwd=folder)
    assert first.returncode == 3
    done = kws(*arguments(out), cwd=folder)
    assert done.stderr.splitlines()[0] == f"kws: 1 of {COUNT + 1} recordings were scanned before"
    assert out.read_bytes() == expected
    before = out.with_name("found.csv.progress").read_bytes()
    message = error(kws(*arguments(out, "--threshold", "on=0.9"), cwd=folder), 2)
    assert message == (
        f"{out}.progress: was made with keyword.on.threshold 0.8, not 0.9; choose another --out, "
        "or remove it to scan all again"
    )
    assert out.with_name("found.csv.progress").read_bytes() == before


def test_without_an_output_detections_go_to_stdout_in_order(folder: Path, expected: bytes) -> None:
    done = kws("scan", "calls", "--model", "tones", "--jobs", "2", cwd=folder)
    assert done.returncode == 3
    assert "\x1b" not in done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    rows = [f"{one['file']},{one['keyword']},{one['score']},{one['start']},{one['end']}," for one in found]
    assert rows == expected.decode().splitlines()[1:]


def test_a_terminal_shows_a_bar_and_whole_lines(folder: Path) -> None:
    command = [*COMMAND, "scan", "calls/01.flac", "calls/bad.wav", "--model", "tones"]
    code, shown, out = in_terminal(command, stdout=False, cwd=folder)
    assert code == 3
    assert json.loads(out)["keyword"] == "on"
    assert "scanning 2 recordings" in shown
    assert f"{BAD}\r\n" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "none: no such file or folder"),
        (["calls", "--out", "found.txt"], "--out found.txt: must end in .jsonl or .csv"),
        (["calls", "--out", "none/found.csv"], "none/found.csv.progress: No such file or directory"),
        (["calls", "--jobs", "0"], "--jobs 0: must be 1 or more, and does not go with --scheduler"),
        (["calls", "--keywords", "of"], "--keywords: 'of' is not a keyword of this model; did you mean 'off'? "),
        (["calls", "--scheduler", "host"], "--scheduler: must be tcp://HOST:PORT, not 'host'"),
    ],
)
def test_wrong_usage_is_one_line(folder: Path, arguments: list[str], message: str) -> None:
    assert error(kws("scan", *arguments, "--model", "tones", cwd=folder), 2).startswith(message)


def test_a_cluster_whose_worker_is_killed_loses_and_doubles_nothing(
    folder: Path, expected: bytes, tmp_path: Path
) -> None:
    pytest.importorskip("distributed")
    out = tmp_path / "found.csv"
    with dask_cluster(tmp_path, workers=2) as cluster:
        program = begun(folder, out, "--scheduler", cluster.url)
        cluster.workers[0].kill()
        _, err = program.communicate(timeout=60)
        # The other worker may have been slow to come.
        messages = [line for line in err.decode().splitlines() if "waiting for one" not in line]
        assert (program.returncode, messages[0], len(messages)) == (3, BAD, 2), err
        assert out.read_bytes() == expected
        assert len(done_names(out)) == COUNT


def test_a_cluster_that_goes_leaves_what_was_done(folder: Path, expected: bytes, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    out = tmp_path / "found.csv"
    with dask_cluster(tmp_path, workers=1) as cluster:
        program = begun(folder, out, "--scheduler", cluster.url)
        cluster.scheduler.kill()
        _, err = program.communicate(timeout=60)
        assert program.returncode == 1
        assert err.decode().splitlines()[-1] == (
            "kws: the scheduler of the cluster has gone; the same command goes on from here"
        )
        assert 3 <= scanned_lines(out) < COUNT
    again = kws(*arguments(out, "--scheduler", cluster.url), cwd=folder)
    message = f"kws: --scheduler {cluster.url}: no Dask scheduler answers there"
    assert (again.returncode, again.stderr.splitlines()[1:]) == (1, [message])
    assert scanned(folder, out) == expected
