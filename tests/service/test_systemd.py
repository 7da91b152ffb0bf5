from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest

from kws.service.systemd import Notifier
from tests.support.systemd_manager import Manager


@pytest.fixture(params=["path", "abstract"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "notify") if request.param == "path" else f"@kws-test-{os.getpid()}-{time.monotonic_ns()}"


def test_each_message_is_what_sd_notify_says(address: str) -> None:
    with Manager(address) as manager:
        notifier = Notifier({"NOTIFY_SOCKET": address})
        assert notifier
        notifier.status("waiting for the microphone")
        notifier.ready("listening")
        notifier.alive()
        before = time.monotonic_ns() // 1000
        notifier.reloading()
        after = time.monotonic_ns() // 1000
        notifier.ready()
        notifier.stopping("ending")
        manager.wait("STOPPING")
    assert before <= int(manager.messages[3].pop("MONOTONIC_USEC")) <= after
    assert manager.messages == [
        {"STATUS": "waiting for the microphone"},
        {"READY": "1", "STATUS": "listening"},
        {"WATCHDOG": "1"},
        {"RELOADING": "1"},
        {"READY": "1"},
        {"STOPPING": "1", "STATUS": "ending"},
    ]


def test_a_status_cannot_bring_in_a_line_of_its_own(address: str) -> None:
    with Manager(address) as manager:
        Notifier({"NOTIFY_SOCKET": address}).status("USB\nREADY=1  Ünit")
        manager.wait("STATUS", "USB READY=1 Ünit")
    assert manager.messages == [{"STATUS": "USB READY=1 Ünit"}]


def test_without_a_manager_nothing_is_said_and_nothing_fails(caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier({"WATCHDOG_USEC": "1000000"})
    notifier.ready()
    assert not notifier
    assert notifier.watchdog is None
    assert caplog.messages == []


def test_an_address_that_is_none_is_said(caplog: pytest.LogCaptureFixture) -> None:
    assert not Notifier({"NOTIFY_SOCKET": "relative"})
    assert caplog.messages == [
        "$NOTIFY_SOCKET is 'relative', which is not a socket; the service manager gets no messages"
    ]


def test_a_manager_that_is_gone_is_told_once_and_found_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    address = str(tmp_path / "notify")
    notifier = Notifier({"NOTIFY_SOCKET": address})
    with caplog.at_level(logging.WARNING):
        notifier.alive()
        notifier.alive()
    assert caplog.messages == ["the service manager does not respond: No such file or directory"]
    with Manager(address) as manager:
        notifier.alive()
        manager.wait("WATCHDOG")


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "120000000"}, 120.0),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_the_one_that_is_meant_for_this_process(
    environment: dict[str, str], seconds: float | None
) -> None:
    assert Notifier({"NOTIFY_SOCKET": "@nobody", **environment}).watchdog == seconds
