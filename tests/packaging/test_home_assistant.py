"""The add-on of Home Assistant, with a real broker and sound server, and a Supervisor that answers as the real one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

import kws
from tests.support import ROOT
from tests.support.broker import Broker, Subscriber, free_port
from tests.support.sound_server import SoundServer

ADDON = ROOT / "packaging" / "home-assistant"
yaml = pytest.importorskip("yaml")
CONFIG = yaml.safe_load((ADDON / "config.yaml").read_text(encoding="utf-8"))

Run = Callable[..., subprocess.Popen[str]]


class Supervisor(BaseHTTPRequestHandler):
    """Answers an add-on: which broker there is, and that it takes a discovery."""

    broker: ClassVar[dict[str, Any] | None]
    discovered: ClassVar[list[dict[str, Any]]]

    def do_GET(self) -> None:
        assert self.path == "/services/mqtt"
        self._answer(self.broker, "Service mqtt not available")

    def do_POST(self) -> None:
        assert self.path == "/discovery"
        self.discovered.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer({"uuid": "1"})

    def _answer(self, data: dict[str, Any] | None, message: str = "") -> None:
        allowed = self.headers["Authorization"] == "Bearer secret"
        self.send_response(200 if allowed and data else 400)
        self.end_headers()
        result = {"result": "ok", "data": data} if data else {"result": "error", "message": message}
        self.wfile.write(json.dumps(result).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def supervisor() -> Iterator[str]:
    """The URL of a running :class:`Supervisor`."""
    Supervisor.broker, Supervisor.discovered = None, []
    with ThreadingHTTPServer(("127.0.0.1", 0), Supervisor) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def run(tmp_path: Path, supervisor: str) -> Iterator[Run]:
    """Starts the add-on with these options besides the defaults; its ports are free ones."""
    processes = []

    def begin(
        environment: dict[str, str] | None = None, supervisor: str = supervisor, **options: Any
    ) -> subprocess.Popen[str]:
        (tmp_path / "options.json").write_text(json.dumps(CONFIG["options"] | options))
        process = subprocess.Popen(
            [sys.executable, ADDON / "run", "--data", tmp_path, "--config", tmp_path / "config",
             "--supervisor", supervisor, "--metrics", "0", "--wake-words", f"tcp://127.0.0.1:{free_port()}"],
            env=(environment or os.environ) | {"SUPERVISOR_TOKEN": "secret"},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


def test_its_version_is_that_of_kws() -> None:
    assert CONFIG["version"] == kws.__version__


def test_each_option_has_a_schema() -> None:
    assert CONFIG["options"].keys() == CONFIG["schema"].keys()


@pytest.mark.microphone
def test_a_word_at_the_microphone_reaches_home_assistant_by_its_broker(
    run: Run, sound_server: SoundServer, stopped_broker: Broker, tmp_path: Path
) -> None:
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", passwords, "addons", "pass word"], check=True)
    stopped_broker.lines = [f"password_file {passwords}", "allow_anonymous true"]
    stopped_broker.start()
    with Subscriber(stopped_broker) as subscriber:
        Supervisor.broker = {
            "host": "127.0.0.1", "port": stopped_broker.port, "ssl": False, "username": "addons",
            "password": "pass word", "protocol": "3.1.1",
        }  # fmt: skip
        process = run(sound_server.environment, site="kitchen", keywords=["on", "off"])
        subscriber.wait("kws/kitchen/status")
        sound_server.play(ROOT / "kws/data/demo.flac")
        subscriber.wait("kws/kitchen/status", "online")
        detection = subscriber.wait("kws/kitchen/detection").fields
        assert detection["keyword"] in ("on", "off")
        assert process.stdout
        assert json.loads(process.stdout.readline())["keyword"] == detection["keyword"]
    assert Supervisor.discovered == [{"service": "wyoming", "config": {"uri": uri_of(process)}}]
    assert "u'addons'" in stopped_broker.log


def uri_of(process: subprocess.Popen[str]) -> str:
    """Return where other containers reach the wake words of this add-on."""
    assert isinstance(process.args, list)
    return f"tcp://{socket.gethostname()}:{str(process.args[-1]).rpartition(':')[2]}"


@pytest.mark.process
def test_without_a_microphone_it_serves_wake_words(run: Run) -> None:
    process = run(microphone=False)
    assert process.stderr
    assert "computer, jarvis are served at tcp://127.0.0.1:" in process.stderr.readline()
    assert Supervisor.discovered == [{"service": "wyoming", "config": {"uri": uri_of(process)}}]


@pytest.mark.process
def test_own_tables_replace_those_of_the_options_and_no_broker_is_no_trouble(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    demo = ROOT / "kws" / "data" / "demo.flac"
    (tmp_path / "config/kws.toml").write_text(f'[source]\ninput = "{demo}"\n')
    process = run(keywords=["stop"], wake_words=[])
    output, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert [json.loads(line)["keyword"] for line in output.splitlines()] == ["stop"]
    assert log.startswith("run: /services/mqtt: Service mqtt not available\n")
    assert Supervisor.discovered == []


@pytest.mark.process
def test_without_a_supervisor_it_says_so_and_serves_all_the_same(run: Run) -> None:
    process = run(supervisor="http://127.0.0.1:1", microphone=False)
    assert process.stderr
    assert process.stderr.readline() == (
        "run: the Supervisor does not answer at http://127.0.0.1:1: [Errno 111] Connection refused\n"
    )
    assert "computer, jarvis are served at" in process.stderr.readline()
