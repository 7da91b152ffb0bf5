"""The live page's server: what it sends is what was heard, and no request can do harm."""

from __future__ import annotations

import base64
import io
import logging
import random
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from kws.app.checks import Result, checks
from kws.config.overrides import parse_set
from kws.config.reading import read_config
from kws.errors import KwsError, OptionError
from kws.servers import page
from kws.servers.monitor import Monitor
from kws.servers.settings import MonitorOptions
from kws.types import Float32Array
from tests.servers.test_wyoming import DEMO, memory
from tests.support.toy_model import write_model
from tests.support.waiting import wait_until
from tests.support.watched_service import RATE, WatchedService, Watcher, words

pytestmark = pytest.mark.process

Start = Callable[..., WatchedService]

EVERYWHERE = "0.0.0.0"  # noqa: S104 - not the loopback, so a token is needed


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tones") / "model")


@pytest.fixture
def start(tmp_path: Path, model: Path) -> Iterator[Start]:
    services: list[WatchedService] = []

    def begin(*said: str) -> WatchedService:
        services.append(WatchedService(tmp_path, model, *said))
        return services[-1]

    yield begin
    for service in services:
        if service._thread.is_alive():
            service.stop()


def of_kind(kind: str) -> Callable[[dict[str, Any]], bool]:
    return lambda message: message["t"] == kind


def test_a_page_gets_the_state_then_what_was_heard_before_and_then_what_is_heard(start: Start) -> None:
    service = start()
    service.say("on")
    watcher = Watcher(service.port)
    state = watcher.until(of_kind("state"))
    [site] = state["sites"]
    assert (site["site"], site["model"], site["source"], site["listening"], site["trouble"], site["gate"]) == (
        "kitchen", "tones", str(service.fifo), True, None, None,
    )  # fmt: skip
    assert site["keywords"] == [{"name": name, "threshold": 0.8, "on": True} for name in ("on", "off", "stop")]
    assert watcher.until(of_kind("detection"))["keyword"] == "on"
    service.say("stop")
    after = watcher.until(lambda message: message["t"] == "detection")
    assert (after["keyword"], after["site"], after["clip"]) == ("stop", "kitchen", False)
    last = service.service.listeners[0].hearing.last
    assert last
    assert (after["end"], after["score"]) == (round(last.end, 3), round(last.score, 3))
    watcher.close()


@pytest.mark.parametrize(
    ("said", "threshold"), [((), 0.8), (("decision.score_scale=[0.9, 0.95]", "decision.threshold=0.5"), 0.5)]
)
def test_the_scores_are_those_that_the_decisions_are_made_of(
    start: Start, said: tuple[str, ...], threshold: float
) -> None:
    service = start(*said)
    watcher = Watcher(service.port)
    watcher.until(of_kind("state"))
    service.say("on", "off")
    peaks = dict.fromkeys(("on", "off", "stop"), 0.0)
    reached = 0  # windows in which "on" was at its threshold, before the page was told of its detection
    while True:
        message = watcher.until(lambda message: message["t"] in ("scores", "detection"))
        if message["t"] == "detection" and message["keyword"] == "off":
            break
        for keyword, score in message.get("scores", {}).items():
            peaks[keyword] = max(peaks[keyword], score)
            reached += keyword == "on" and score >= threshold
        if message["t"] == "detection":  # "on": its score reached the threshold, and no other did
            assert reached == 1
            assert peaks["on"] >= threshold
            assert max(peaks["off"], peaks["stop"]) < threshold
    assert peaks["off"] >= threshold
    watcher.close()


def test_the_spectrogram_is_the_front_ends(start: Start) -> None:
    service = start()
    watcher = Watcher(service.port)
    watcher.until(of_kind("state"))
    sound = words("on")
    service.hear(sound)
    heard = np.round(sound * 32767).astype(np.float32) / np.float32(32768)
    front_end = service.pipeline.model.front_end
    expected = np.clip((front_end.spectrogram(heard) + 6) * (255 / 9), 0, 255).astype(int)
    shades: list[Float32Array] = []
    while sum(map(len, shades)) < len(expected):
        message = watcher.until(of_kind("sound"))
        data = np.frombuffer(base64.b64decode(message["frames"]), np.uint8)
        shades.append(data.reshape(-1, message["bins"]).astype(np.float32))
    assert message["step"] == 0.01
    assert np.abs(np.concatenate(shades)[: len(expected)] - expected).max() <= 1  # in groups, sums round differently
    watcher.close()


def test_nothing_is_computed_while_no_page_is_open(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    monkeypatch.setattr(page.Page, "put", lambda *event: made.append(event))
    service = start()
    service.say("on")
    assert made == []
    watcher = Watcher(service.port)
    watcher.until(of_kind("detection"))
    assert len(service.monitor.pages) == 1
    watcher.close()
    wait_until(lambda: not service.monitor.pages)
    before = len(made)
    service.say("off")
    assert len(made) == before


def test_near_misses_come_with_their_reason_and_the_gate_with_its_wake_word(start: Start) -> None:
    service = start('gate.wake_words=["on"]')
    watcher = Watcher(service.port)
    assert watcher.until(of_kind("state"))["sites"][0]["gate"] == "closed"
    service.hear(words("stop"))
    miss = watcher.until(of_kind("near"))
    assert (miss["keyword"], miss["threshold"], miss["reason"]) == ("stop", 0.8, "no wake word before it")
    service.hear(words("on", "stop"))
    wake, command = (watcher.until(of_kind("detection")) for _ in range(2))
    assert (wake["keyword"], command["keyword"], command["wake"]) == ("on", "stop", "on")
    gates = [message["sites"][0]["gate"] for message in watcher.messages if message["t"] == "state"]
    if "open: on" not in gates:
        watcher.until(lambda message: message["t"] == "state" and message["sites"][0]["gate"] == "open: on")
    service.hear(np.zeros(6 * RATE, np.float32))
    watcher.until(lambda message: message["t"] == "state" and message["sites"][0]["gate"] == "closed")
    watcher.close()


# Requests.


def test_requests_are_obeyed_and_survive_a_restart(start: Start) -> None:
    service = start()
    watcher = Watcher(service.port)
    for path, value in (("threshold/on", "0.9"), ("keyword/off", "OFF"), ("listening", "OFF")):
        assert service.request("POST", f"/set/{path}?site=kitchen", value)[0] == 204
        service.hear(np.zeros(1600, np.float32))

    def as_set(message: dict[str, Any]) -> bool:
        if message["t"] != "state":
            return False
        [site] = message["sites"]
        on, off, _ = site["keywords"]
        return (on["threshold"], off["on"], site["listening"]) == (0.9, False, False)

    watcher.until(as_set)
    watcher.close()
    service.stop()
    again = Watcher(start().port)
    again.until(as_set)
    again.close()


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("/set/threshold/on?site=kitchen", "2", "2 is not within 0.01 to 1"),
        ("/set/threshold/onn?site=kitchen", "0.5", "'onn' is not a keyword; choose from on, off, stop"),
        ("/set/keyword/on?site=kitchen", "yes", "'yes' is neither ON nor OFF"),
        ("/set/nonsense?site=kitchen", "ON", "there is no such setting"),
        ("/set/listening?site=hall", "OFF", "there is no such site"),
        ("/set/listening", "OFF", "there is no such site"),
        ("/listening?site=kitchen", "OFF", "no such request"),
        ("/set/listening?site=kitchen", "O" * 65, "no such request"),
    ],
)
def test_a_wrong_request_is_refused_and_changes_nothing(start: Start, path: str, value: str, problem: str) -> None:
    service = start()
    before = service.monitor.state()
    status, _, said = service.request("POST", path, value)
    assert status == 400
    assert said.decode().startswith(problem)
    assert service.monitor.state() == before


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),  # a page from elsewhere
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example"}, 403),  # a name that means 127.0.0.1 for the browser
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "localhost:1", "Origin": "http://localhost:1"}, 204),
        ({}, 204),
    ],
)
def test_no_page_from_elsewhere_can_ask_for_anything(start: Start, headers: dict[str, str], status: int) -> None:
    assert start().request("POST", "/set/listening?site=kitchen", "ON", headers)[0] == status


def test_elsewhere_a_token_is_needed(start: Start) -> None:
    """Both the page and a request need it. The token is the same after a restart."""
    service = start(f'monitor.address="{EVERYWHERE}"')
    url = service.monitor.url
    address, _, token = url.partition("/?token=")
    assert address == f"http://0.0.0.0:{service.port}"
    assert re.fullmatch(r"[\w-]{20,}", token)
    for path in ("/", "/events", "/clip/1", "/?token=wrong", "/?token="):
        assert service.request("GET", path)[0] == 403
    assert service.request("POST", "/set/listening?site=kitchen", "OFF")[0] == 403
    assert service.request("GET", "/", headers={"Cookie": 'kws_token="\x80; a=,='})[0] == 403
    status, cookie, _ = service.request("GET", f"/?token={token}")
    assert status == 303
    assert cookie.startswith(f"kws_token={token}; HttpOnly; SameSite=Strict")
    mine = {"Cookie": f"kws_token={token}"}
    assert service.request("GET", "/", headers=mine)[0] == 200
    assert service.request("POST", "/set/listening?site=kitchen", "ON", mine)[0] == 204
    service.stop()
    assert f"token={token}" in start(f'monitor.address="{EVERYWHERE}"').monitor.url


def test_the_recording_of_a_detection_can_be_played(start: Start, tmp_path: Path) -> None:
    service = start(f"clips.folder={tmp_path / 'clips'}", "clips.after=0.5")
    service.say("on")
    watcher = Watcher(service.port)
    event = watcher.until(of_kind("detection"))
    watcher.close()
    assert event["clip"] is True
    service.hear(words())
    wait_until(lambda: service.request("GET", f"/clip/{event['id']}")[0] == 200)
    samples, rate = soundfile.read(io.BytesIO(service.request("GET", f"/clip/{event['id']}")[2]))
    assert rate == RATE
    assert np.abs(samples).max() > 0.2  # the tone
    for path in ("/clip/0", "/clip/2", "/clip/x", "/clip/-1", "/clip/" + "9" * 30, "/clip/../../etc/passwd"):
        assert service.request("GET", path)[0] == 404


# Security.


def test_slow_pages_delay_no_one_and_do_not_grow(start: Start) -> None:
    """Pages that never read; the service hears a minute meanwhile, as another page sees."""
    service = start()
    slow = []
    for _ in range(5):
        connection = socket.create_connection(("127.0.0.1", service.port))
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        connection.sendall(b"GET /events HTTP/1.0\r\nHost: localhost\r\n\r\n")
        slow.append(connection)
    wait_until(lambda: len(service.monitor.pages) == 5)
    watcher = Watcher(service.port)
    for word in ["on", "off", "stop"] * 5:
        service.say(word)
        assert watcher.until(of_kind("detection"))["keyword"] == word
    assert all(len(page._waiting) <= 200 for page in service.monitor.pages)
    watcher.close()
    for connection in slow:
        connection.close()
    wait_until(lambda: not service.monitor.pages)


def test_no_more_than_ten_pages(start: Start) -> None:
    service = start()
    watchers = [Watcher(service.port) for _ in range(10)]
    wait_until(lambda: len(service.monitor.pages) == 10)
    assert service.request("GET", "/events")[0] == 503
    assert service.request("GET", "/")[0] == 200
    for watcher in watchers:
        watcher.close()
    wait_until(lambda: not service.monitor.pages)
    again = Watcher(service.port)
    assert again.answer.status == 200
    again.close()


def test_pages_end_with_the_service(start: Start) -> None:
    service = start()
    watcher = Watcher(service.port)
    watcher.until(of_kind("state"))
    service.stop()
    for _ in watcher:
        pass  # the stream ends
    with pytest.raises(OSError, match=r"refused|reset"):
        service.request("GET", "/")


def malformed(chance: random.Random) -> bytes:
    """Return a request that is somewhat or entirely wrong."""
    methods = [b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"\x16\x03\x01", b"", b"G" * 70_000]
    paths = [
        b"/", b"/events?", b"/clip/1", b"/clip/99999999999999999999", b"/set/threshold/on?site=kitchen",
        b"/set/keyword/off?site=kitchen", b"/set/listening?site=hall", b"//[", b"/set/%ff%00?site=%ff", b"*", b"\x80",
        b"/../../etc/passwd", b"/?token=\xff",
    ]  # fmt: skip
    values = [b"localhost", b"evil", b"[", b"-1", b"5", b"99999999999", b"x" * 500, b"\xff", b"", b"0x5", b"\xb2"]
    names = [b"Host", b"Content-Length", b"Origin", b"Cookie", b"Transfer-Encoding", b"Expect", b"X" * 100, b": "]
    path = chance.choice(paths)
    if path == b"/events?":
        path = b"/nothing"  # an open page is no wrong request
    lines = [
        b" ".join([chance.choice(methods), path, chance.choice([b"HTTP/1.0", b"HTTP/1.1", b"HTTP/9.9", b"x", b""])])
    ]
    lines += [chance.choice(names) + b": " + chance.choice(values) for _ in range(chance.randrange(6))]
    body = chance.choice([b"", b"OFF\0", b"nan", b"-1", b"1e999", chance.randbytes(40)])
    message = b"\r\n".join(lines) + b"\r\n\r\n" + body
    return message if chance.random() < 0.95 else chance.randbytes(chance.randrange(2000))


def settings(service: WatchedService) -> object:
    """Return all that requests can change."""
    [site] = service.monitor.state()["sites"]
    return site["listening"], site["keywords"]


def test_ten_thousand_wrong_requests_change_nothing(start: Start, caplog: pytest.LogCaptureFixture) -> None:
    service = start()
    service.say("on")
    caplog.clear()
    before, threads, chance, after_warming = settings(service), threading.active_count(), random.Random(22), 0
    for number in range(10_000):
        with socket.create_connection(("127.0.0.1", service.port)) as client, suppress(OSError):
            client.sendall(malformed(chance))
            client.shutdown(socket.SHUT_WR)
            client.settimeout(5)
            client.recv(100)
        if number == 2000:
            after_warming = memory()
    wait_until(lambda: threading.active_count() <= threads)
    assert memory() - after_warming < 10_000_000
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG] == []
    assert settings(service) == before
    service.say("off")


def test_a_port_that_is_taken_and_an_address_that_is_none(start: Start) -> None:
    port = start().port
    with pytest.raises(KwsError, match=rf"^monitor: 127.0.0.1 port {port}: Address already in use$"):
        Monitor(MonitorOptions(port=port), list)
    with pytest.raises(OptionError, match=r"^monitor.address: 'no address' is not an address$"):
        Monitor(MonitorOptions(address="no address"), list)


def test_check_refuses_a_port_that_another_program_has_and_warns_of_a_kws(start: Start) -> None:
    service = start(f'monitor.address="{EVERYWHERE}"')

    def found(port: int, address: str = "127.0.0.1") -> Result:
        settings = [f"source.input={DEMO}", f"monitor.port={port}", f'monitor.address="{address}"']
        read = checks(lambda: read_config(None, [parse_set(setting) for setting in settings]))
        return next(result for result in read if result.part == "monitor")

    result = found(service.port, EVERYWHERE)
    assert (result.ok, result.warning) == (True, "the port is in use by a kws that runs")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = found(port)
        assert (result.code, result.detail) == (1, f"monitor: 127.0.0.1 port {port}: Address already in use")
    assert found(0).detail == "http://127.0.0.1:0/"
    assert found(0, EVERYWHERE).detail == "http://0.0.0.0:0/, with a token"
