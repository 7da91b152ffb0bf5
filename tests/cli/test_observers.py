"""The service's metrics, recordings and log, on sound of which the test knows every sample."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.support.program import environment, error, kws, lines
from tests.support.small_disk import small_disk  # noqa: F401 - a fixture
from tests.support.waiting import wait_until

DEMO = Path(__file__).parent.parent.parent / "kws" / "data" / "demo.flac"
DOCS = Path(__file__).parent.parent.parent / "docs" / "service.md"
HOP = 1920


class Running:
    """A service that hears two pipes, kitchen and bath, and writes detections and its log to files.

    Args:
        folder: for all files.
        model: its folder.
        more: of the configuration.
    """

    def __init__(self, folder: Path, model: Path, more: str, *arguments: str) -> None:
        self.folder, self.model = folder, model
        for name in ("kitchen", "bath"):
            os.mkfifo(folder / name)
        self.write(more)
        self._out, self._log = folder / "out", folder / "log"
        with self._out.open("wb") as out, self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kws", "run", "--config", folder / "kws.toml", *arguments],
                env=environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=log,
            )  # fmt: skip
        # Opened for both directions they do not wait for the service, which may have ended already.
        self.pipes = {name: os.fdopen(os.open(folder / name, os.O_RDWR), "wb") for name in ("kitchen", "bath")}

    def write(self, more: str) -> None:
        sources = "".join(
            f'[[source]]\nsite = "{name}"\ninput = "{self.folder / name}"\nrate = 16000\n'
            for name in ("kitchen", "bath")
        )
        (self.folder / "kws.toml").write_text(f'{sources}[model]\nname = "{self.model}"\n[stdout]\n{more}')

    def say(self, name: str, sound: Any) -> None:
        self.pipes[name].write(sound.tobytes())
        self.pipes[name].flush()

    @property
    def heard(self) -> list[str]:
        return [json.loads(line)["keyword"] for line in self._out.read_text().splitlines()]

    @property
    def log(self) -> list[str]:
        return self._log.read_text().splitlines()

    @property
    def url(self) -> str:
        wait_until(lambda: any("metrics are at " in line for line in self.log), "metrics")
        found: str = re.findall(r"metrics are at (http://[^\s\"]*)", "\n".join(self.log))[-1]
        return found

    def figures(self) -> dict[tuple[str, ...], float]:
        """Return the metrics that Prometheus reads, by name and values of the labels, in the order of their names."""
        from prometheus_client.parser import text_string_to_metric_families

        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
        }

    def text(self) -> str:
        with urllib.request.urlopen(self.url, timeout=10) as answer:  # noqa: S310 - our own
            text: str = answer.read().decode()
        return text

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0, self.log


Run = Callable[..., Running]


@pytest.fixture
def run(tmp_path: Path, model_folder: Path) -> Iterator[Run]:
    """Starts a service, which is ended with the test."""
    started: list[Running] = []

    def run(more: str = "", *arguments: str) -> Running:
        started.append(Running(tmp_path, model_folder, more, *arguments))
        return started[-1]

    yield run
    for running in started:
        running.process.kill()
        running.process.wait()
        for pipe in running.pipes.values():
            with suppress(BrokenPipeError):
                pipe.close()


@pytest.fixture(scope="module")
def demo() -> Any:
    """The demo as 16-bit samples, a whole number of hops of it."""
    samples, rate = soundfile.read(DEMO, dtype="int16")
    assert rate == 16000
    return samples[: len(samples) // HOP * HOP]


@pytest.fixture(scope="module")
def words(model_folder: Path) -> list[str]:
    """Return the keywords detected in it."""
    return [one["keyword"] for one in lines(kws("listen", DEMO, "--model", model_folder))]


def total(figures: dict[tuple[str, ...], float], name: str) -> float:
    return sum(value for key, value in figures.items() if key[0] == name)


def test_the_figures_are_true(run: Run, tmp_path: Path, demo: Any, words: list[str]) -> None:
    begun = time.monotonic()
    service = run(f'[metrics]\nport = 0\n[clips]\nfolder = "{tmp_path}/clips"\nnear_misses = true\n')
    service.say("kitchen", demo)
    service.say("bath", np.full(40 * HOP, 1000, np.int16))
    windows = {"kitchen": len(demo) // HOP, "bath": 40}

    def scored() -> bool:
        figures = service.figures()
        # With that of the silence before the first sound.
        return all(figures.get(("kws_windows_total", name)) == count + 1 for name, count in windows.items())

    wait_until(scored, "every window")
    figures = service.figures()
    for name, count in windows.items():
        assert 0 < figures["kws_inference_seconds_count", name] <= count  # without those skipped as silence
        assert figures["kws_up", name] == figures["kws_listening", name] == 1
        for nothing in ("kws_gaps", "kws_lost_samples", "kws_overruns", "kws_drops", "kws_reconnects"):
            assert figures[f"{nothing}_total", name] == 0
    assert figures["kws_level_dbfs", "bath"] == pytest.approx(20 * np.log10(1000 / 32768), abs=0.01)
    for name in windows:  # each source asks the network for one window after the other
        assert 0 < figures["kws_inference_seconds_sum", name] < time.monotonic() - begun
    detections = {key[1]: value for key, value in figures.items() if key[0] == "kws_detections_total"}
    assert detections == Counter(words)
    assert {key[2] for key in figures if key[0] == "kws_detections_total"} == {"kitchen"}
    assert figures["kws_published_total", "standard output"] == len(words) == len(service.heard)
    near = total(figures, "kws_near_misses_total")
    wait_until(lambda: service.figures()["kws_clips_saved_total",] == len(words) + near, "all recordings")
    clips = list((tmp_path / "clips").iterdir())
    assert sum(clip.name.endswith("_near-miss.flac") for clip in clips) == near
    assert service.figures()["kws_clips_bytes",] == sum(clip.stat().st_size for clip in clips)
    assert service.figures()["kws_clips_dropped_total",] == 0
    resident = int(Path(f"/proc/{service.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert figures["process_resident_memory_bytes",] == pytest.approx(resident, rel=0.1)
    documented = set(re.findall(r"\b(?:kws|process)_[a-z_]+", DOCS.read_text()))
    assert len(documented) > 20
    served = service.text()
    assert {name for name in documented if f"# TYPE {name} " not in served} == set()
    service.end()


def test_metrics_are_for_this_machine_alone(run: Run) -> None:
    service = run("[metrics]\nport = 0\n")
    port = int(service.url.split(":")[2].split("/")[0])
    assert service.url == f"http://127.0.0.1:{port}/metrics"
    with socket.socket() as elsewhere:
        elsewhere.settimeout(2)
        assert elsewhere.connect_ex((own_address(), port)) != 0


def own_address() -> str:
    """One of this machine's that is not the loopback's; where there is none, one of another interface's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent
        except OSError:
            pytest.skip("this machine has no address but the loopback's")
        address: str = probe.getsockname()[0]
        return address


def test_a_port_that_is_taken_is_said(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        service = run("", "--metrics", str(port))
        assert service.process.wait(20) == 1
    assert service.log == [f"kws: metrics: 127.0.0.1 port {port}: Address already in use"]


def test_an_address_that_is_none_is_said(run: Run) -> None:
    service = run('[metrics]\naddress = "no address"\n')
    assert service.process.wait(20) == 2
    assert service.log == ["kws: metrics.address: 'no address' is not an address"]


def test_a_full_disk_costs_recordings_and_nothing_else(
    run: Run,
    small_disk: Path,  # noqa: F811
    demo: Any,
    words: list[str],
) -> None:
    service = run(f'[metrics]\nport = 0\n[clips]\nfolder = "{small_disk}/clips"\n')
    service.say("kitchen", demo)

    def settled() -> bool:
        figures = service.figures()
        kept = figures["kws_clips_saved_total",] + figures["kws_clips_dropped_total",]
        return service.heard == words and kept == len(words)

    wait_until(settled, "every word, and what became of its recording")
    figures = service.figures()
    assert figures["kws_clips_dropped_total",] > 0
    clips = list((small_disk / "clips").iterdir())
    assert len(clips) == figures["kws_clips_saved_total",] > 0
    assert all(soundfile.info(clip).frames >= 32000 for clip in clips)
    about = [line for line in service.log if "recording" in line]
    assert about == [f"kws: {small_disk}/clips: dropped a recording: No space left on device"]
    assert figures["kws_drops_total", "kitchen"] == figures["kws_gaps_total", "kitchen"] == 0
    service.end()


def test_the_log_as_json(run: Run, demo: Any) -> None:
    service = run('[mqtt]\nurl = "mqtt://127.0.0.1:1"\n', "--log-format", "json")
    service.say("kitchen", demo)
    wait_until(lambda: bool(service.heard), "a word")
    service.end()
    found = [json.loads(line) for line in service.log]
    assert all({"time", "level", "logger", "message"} <= set(line) for line in found)
    assert any(line["level"] == "warning" and "127.0.0.1" in line["message"] for line in found)


def test_what_ends_it_is_json_too(tmp_path: Path) -> None:
    (tmp_path / "kws.toml").write_text('[log]\nformat = "json"\n[stdout]\n[model]\nname = "nowhere"\n')
    result = kws("run", "--config", tmp_path / "kws.toml")
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert json.loads(line)["level"] == "error"
    assert "nowhere" in json.loads(line)["message"]


def test_a_reload_turns_recordings_metrics_and_the_log_on_and_off(run: Run, tmp_path: Path, demo: Any) -> None:
    service = run()
    service.say("kitchen", demo[:16000])
    wait_until(lambda: any("listening to" in line for line in service.log), "sound")
    service.write(f'[metrics]\nport = 0\n[clips]\nfolder = "{tmp_path}/clips"\n[log]\nformat = "json"\n')
    service.process.send_signal(signal.SIGHUP)
    url = service.url
    wait_until(lambda: any("was reloaded" in line for line in service.log), "the reload")
    service.say("kitchen", demo)
    wait_until(lambda: service.figures().get(("kws_clips_saved_total",), 0) >= 1, "a recording")
    service.write("")
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: not reachable(url), "the end of the metrics")
    count = len(list((tmp_path / "clips").iterdir()))
    heard = len(service.heard)
    service.say("kitchen", demo)
    wait_until(lambda: len(service.heard) > heard, "another word")
    service.end()
    assert len(list((tmp_path / "clips").iterdir())) == count


def reachable(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()  # noqa: S310 - our own
    except OSError:
        return False
    return True


def test_without_its_library_metrics_are_wrong_usage(tmp_path: Path) -> None:
    """A folder that comes first and holds what cannot be imported."""
    (tmp_path / "prometheus_client.py").write_text("raise ImportError\n")
    (tmp_path / "kws.toml").write_text("[stdout]\n[metrics]\n")
    result = kws("run", "--config", tmp_path / "kws.toml", env=environment(tmp_path))
    assert error(result, 2) == "metrics: needs prometheus-client: pip install '.[metrics]'"
