"""The service as a service manager and Prometheus see it, on a microphone that is unplugged and plugged in again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.broker import Broker, Heard, Subscriber
from tests.support.sound_server import SoundServer
from tests.support.systemd_manager import Manager
from tests.support.waiting import wait_until

#: Seconds within which the manager wants to see a sign of life.
WATCHDOG = 1.0

pytestmark = pytest.mark.microphone


class Supervised:
    """A service on the microphone ``room`` under a manager, with more in its configuration."""

    def __init__(self, server: SoundServer, manager: Manager, folder: Path, model: Path, more: str = "") -> None:
        self.server, self.manager = server, manager
        self.config = folder / "kws.toml"
        self.clips = folder / "clips"
        self.write(model, more)
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "kws", "run", "--config", self.config],
                env=server.environment
                | {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": str(round(WATCHDOG * 1e6))},
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip

    def write(self, model: Path, more: str = "") -> None:
        self.config.write_text(
            f'[source]\ndevice = "room"\nsite = "kitchen"\n[model]\nname = "{model}"\n[stdout]\n'
            f'[metrics]\nport = 0\n[clips]\nfolder = "{self.clips}"\n[log]\nformat = "json"\n{more}'
        )

    @property
    def logged(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def figures(self) -> dict[tuple[str, ...], float]:
        """Return the metrics that Prometheus reads, by name and values of the labels."""
        from prometheus_client.parser import text_string_to_metric_families

        (line,) = [one["message"] for one in self.logged if one["message"].startswith("metrics are at ")]
        with urllib.request.urlopen(line.split()[-1], timeout=10) as answer:  # noqa: S310 - our own
            text = answer.read().decode()
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def counted(self) -> tuple[float, float]:
        """Detections, and how many were published; both come a little later than the status."""
        figures = self.figures()
        heard = sum(value for (name, *_), value in figures.items() if name == "kws_detections_total")
        return heard, figures["kws_published_total", "standard output"]


@pytest.fixture
def supervised(sound_server: SoundServer, tmp_path: Path, model_folder: Path) -> Iterator[Supervised]:
    with Manager(tmp_path / "notify") as manager:
        service = Supervised(sound_server, manager, tmp_path, model_folder)
        yield service
        service.process.kill()
        service.process.wait()


def test_from_ready_to_stopping(
    supervised: Supervised, model_folder: Path, spoken: Path, detections: list[dict[str, str]]
) -> None:
    manager = supervised.manager
    supervised.server.rustle()
    manager.wait("READY")
    assert manager.statuses[:2] == ["loading the model", "opening the microphone"]
    manager.wait("STATUS", "listening to kitchen (room, ALSA)")
    assert manager.states[0] == "READY"
    manager.wait("WATCHDOG", count=5)

    supervised.server.play(spoken)
    last = f"{len(detections)} detections, the last {detections[-1]['keyword']}"
    manager.wait("STATUS", f"listening to kitchen (room, ALSA); {last}")
    wait_until(lambda: supervised.counted() == (len(detections), len(detections)), "figures of each")
    assert supervised.figures()["kws_up", "kitchen"] == 1
    wait_until(lambda: len(list(supervised.clips.glob("*.flac"))) == len(detections), "a recording of each")

    # Deaf: the status says why, and the watchdog gets no sign of life.
    supervised.server.unplug()
    manager.wait_until(lambda: "nothing is heard in kitchen" in manager.statuses[-1], "a status that says so")
    heard_of = len(manager.messages)
    assert manager.statuses[-1].startswith("nothing is heard in kitchen: room, ALSA ")
    wait_until(lambda: supervised.figures()["kws_up", "kitchen"] == 0, "kws_up 0")
    time.sleep(2 * WATCHDOG)  # that nothing comes can only be waited for
    assert manager.states[-1] == "WATCHDOG"
    assert not any("WATCHDOG" in message for message in manager.messages[heard_of:])

    # Plugged in, it is alive again.
    supervised.server.plug("room")
    supervised.server.rustle()
    manager.wait("STATUS", f"listening to kitchen (room, ALSA); {last}", after=heard_of)
    manager.wait("WATCHDOG", count=2, after=heard_of)
    figures = supervised.figures()
    assert (figures["kws_up", "kitchen"], figures["kws_reconnects_total", "kitchen"]) == (1, 1)

    # A reload, good and bad, each with its end.
    for more, problem in (("[decision]\nrefractory = 0.7\n", False), ("[watch]\nstal = 3\n", True)):
        before = len(manager.messages)
        supervised.write(model_folder, more)
        supervised.process.send_signal(signal.SIGHUP)
        reloading = manager.wait("RELOADING", after=before)
        ready = manager.wait("READY", after=reloading)
        assert int(manager.messages[reloading - 1]["MONOTONIC_USEC"]) <= time.monotonic_ns() // 1000
        status = manager.messages[ready - 1]["STATUS"]
        assert ("the old configuration stays: " in status) is problem
        assert status.endswith(f"listening to kitchen (room, ALSA); {last}")
    manager.wait("WATCHDOG", after=ready)

    begun = time.monotonic()
    supervised.process.send_signal(signal.SIGTERM)
    assert supervised.process.wait(20) == 0
    assert time.monotonic() - begun < 10
    manager.wait("STOPPING")
    order = [state for state in manager.states if state != "WATCHDOG"]
    assert order == ["READY", "RELOADING", "READY", "RELOADING", "READY", "STOPPING"]
    assert manager.states[-1] == "STOPPING"
    levels = {one["level"] for one in supervised.logged}
    assert levels == {"info", "warning", "error"}


def test_without_a_microphone_it_is_not_ready(supervised: Supervised, model_folder: Path) -> None:
    """Take the microphone away before the start: one that is there may be gone a moment later."""
    manager = supervised.manager
    supervised.server.rustle()
    manager.wait("READY")  # the first of this computer, so that the sound server is awake
    supervised.process.terminate()
    supervised.process.wait(20)
    supervised.server.unplug()
    before = len(manager.messages)
    again = Supervised(supervised.server, manager, supervised.config.parent, model_folder)
    try:
        manager.wait_until(
            lambda: any(
                "nothing is heard in kitchen" in message.get("STATUS", "") for message in manager.messages[before:]
            ),
            "lost",
        )
        assert not any("READY" in message or "WATCHDOG" in message for message in manager.messages[before:])
        again.process.send_signal(signal.SIGHUP)  # that must not make it ready either
        supervised.server.plug("room")
        supervised.server.rustle()
        ready = manager.wait("READY", after=before)
        assert not any("RELOADING" in message for message in manager.messages[before:ready])
    finally:
        again.process.kill()
        again.process.wait()


def test_with_a_muted_microphone_it_is_not_ready(
    sound_server: SoundServer, tmp_path: Path, model_folder: Path, broker: Broker, subscriber: Subscriber
) -> None:
    """Nothing plays: the real path delivers all zeros."""
    zeros = "room, ALSA delivers nothing but zeros; is it muted?"
    more = f'[watch]\nsilence = 3.0\n[mqtt]\nurl = "{broker.url}"\n'
    with Manager(tmp_path / "notify") as manager:
        service = Supervised(sound_server, manager, tmp_path, model_folder, more)
        try:
            waited = manager.wait("STATUS", "waiting for sound from kitchen (room, ALSA)")
            manager.wait("STATUS", f"nothing is heard in kitchen: {zeros}", after=waited)

            def healths(trouble: str | None) -> list[Heard]:
                """Those of the open microphone with this trouble."""
                told = subscriber.on("kws/kitchen/health")
                return [one for one in told if one.fields["source"] and one.fields["trouble"] == trouble]

            subscriber.wait_until(lambda: bool(healths(zeros)), "the trouble of a microphone that is open again")
            assert healths(zeros)[-1].fields["windows"] > 20  # it did deliver
            wait_until(lambda: service.figures()["kws_reconnects_total", "kitchen"] == 1, "opened anew")
            assert service.figures()["kws_up", "kitchen"] == 0
            assert manager.states == []
            assert {one.payload for one in subscriber.on("kws/kitchen/status")} == {"offline"}

            sound_server.rustle()
            manager.wait("READY")
            manager.wait("WATCHDOG", count=2)
            manager.wait("STATUS", "listening to kitchen (room, ALSA)", after=waited)
            subscriber.wait("kws/kitchen/status", "online")
            subscriber.wait_until(lambda: bool(healths(None)), "health")
            assert service.figures()["kws_up", "kitchen"] == 1
        finally:
            service.process.kill()
            service.process.wait()
