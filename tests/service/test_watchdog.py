"""When the service manager gets a sign of life, and when not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kws.service.systemd import Notifier, SystemdObserver
from kws.types import Detection
from tests.support.systemd_manager import Manager


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def source(site: str, **more: Any) -> Any:
    """Return as much of a listener as the status needs."""
    about: dict[str, Any] = {"wanted": True, "trouble": None, "name": f"USB {site}", "heard": 0} | more
    last = None
    if about["heard"]:
        last = Detection(
            keyword="on", score=0.9, start=1, end=2, time=datetime(2026, 1, 1, tzinfo=UTC), model="commands"
        )
    return SimpleNamespace(
        place=SimpleNamespace(site=site), source=about["name"],
        counters=SimpleNamespace(detections=about["heard"]),
        hearing=SimpleNamespace(wanted=about["wanted"], trouble=about["trouble"], last=last),
    )  # fmt: skip


WINDOW: Any = None


def observe(manager: Manager, clock: Clock, *sources: Any, watchdog: float = 60) -> SystemdObserver:
    notifier = Notifier({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": str(round(watchdog * 1e6))})
    return SystemdObserver(notifier, lambda: sources, clock=clock)


def finish(manager: Manager, systemd: SystemdObserver) -> list[str]:
    """All that was told, for the manager reads in its own time."""
    systemd.stopping()
    manager.wait("STOPPING")
    return manager.states[:-1]


def test_a_sign_of_life_four_times_within_the_time_and_only_for_sound(tmp_path: Path) -> None:
    clock = Clock()
    with Manager(tmp_path / "notify") as manager:
        systemd = observe(manager, clock, source("kitchen"))
        systemd.scored("kitchen", WINDOW)  # before it is ready
        systemd.ready()
        for _ in range(1200):  # a minute of windows
            systemd.scored("kitchen", WINDOW)
            clock.now += 0.05
        clock.now += 600  # deaf
        systemd.lost("kitchen", "unplugged")
        systemd.opened("kitchen", "USB", 16000)
        systemd.recovered("kitchen")
        assert finish(manager, systemd) == ["READY"] + 4 * ["WATCHDOG"]


def test_one_microphone_that_is_heard_is_enough(tmp_path: Path) -> None:
    clock = Clock()
    with Manager(tmp_path / "notify") as manager:
        systemd = observe(manager, clock, source("kitchen", trouble="unplugged"), source("bath"))
        systemd.ready()
        systemd.scored("bath", WINDOW)
        assert finish(manager, systemd) == ["READY", "WATCHDOG"]


def test_switched_off_it_is_alive(tmp_path: Path) -> None:
    clock = Clock()
    with Manager(tmp_path / "notify") as manager:
        systemd = observe(manager, clock, source("kitchen", wanted=False))
        systemd.ready()
        for _ in range(31):
            systemd.muted("kitchen")
            clock.now += 1
        assert finish(manager, systemd) == ["READY", "WATCHDOG", "WATCHDOG", "WATCHDOG"]
    assert manager.messages[0]["STATUS"] == "kitchen is switched off"


def test_without_a_watchdog_there_is_no_sign_of_life(tmp_path: Path) -> None:
    with Manager(tmp_path / "notify") as manager:
        systemd = observe(manager, Clock(), source("kitchen"), watchdog=0)
        systemd.ready()
        systemd.scored("kitchen", WINDOW)
        assert finish(manager, systemd) == ["READY"]


def test_what_is_not_ready_is_not_made_so_by_a_reload(tmp_path: Path) -> None:
    with Manager(tmp_path / "notify") as manager:
        systemd = observe(manager, Clock(), source("kitchen", trouble="not there", name=None))
        systemd.reloading()
        systemd.reloaded(None)
        assert finish(manager, systemd) == []


@pytest.mark.parametrize(
    ("sources", "status"),
    [
        ([], "starting"),
        ([source("kitchen")], "listening to kitchen (USB kitchen)"),
        ([source("kitchen", name="kitchen")], "listening to kitchen"),
        ([source("kitchen", trouble="no sound yet")], "waiting for sound from kitchen (USB kitchen)"),
        ([source("kitchen", trouble="no sound yet", name=None)], "nothing is heard in kitchen: no sound yet"),
        ([source("kitchen", trouble="it is muted")], "nothing is heard in kitchen: it is muted"),
        ([source("kitchen", name=None, trouble="USB is gone")], "nothing is heard in kitchen: USB is gone"),
        (
            [source("kitchen", heard=1), source("bath", wanted=False), source("hall", heard=2)],
            (
                "listening to kitchen (USB kitchen); bath is switched off; listening to hall (USB hall); "
                "3 detections, the last on"
            ),
        ),
    ],
)
def test_the_status_is_the_truth_in_one_line(tmp_path: Path, sources: list[Any], status: str) -> None:
    with Manager(tmp_path / "notify") as manager:
        systemd = observe(manager, Clock(), *sources)
        systemd.recovered("kitchen")
        systemd.recovered("kitchen")  # no news
        finish(manager, systemd)
    assert manager.statuses == [status, "ending"]


def test_a_configuration_that_cannot_be_stays_in_the_status_until_there_is_one_that_can(tmp_path: Path) -> None:
    with Manager(tmp_path / "notify") as manager:
        systemd = observe(manager, Clock(), source("kitchen"))
        systemd.ready()
        systemd.reloading()
        systemd.reloaded("kws.toml: mqtt: no")
        systemd.reloading()
        systemd.reloaded(None)
        assert finish(manager, systemd) == ["READY", "RELOADING", "READY", "RELOADING", "READY"]
    assert manager.statuses[2] == (
        "the old configuration stays: kws.toml: mqtt: no; listening to kitchen (USB kitchen)"
    )
    assert manager.statuses[4] == "listening to kitchen (USB kitchen)"
