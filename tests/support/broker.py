"""A real broker for tests: Debian's mosquitto on a free port. A test can kill, freeze and restart it."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.waiting import wait_until


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Broker:
    """A mosquitto that may run several times; it forgets everything in between.

    Attributes:
        port: the port it listens on, the same in each run.
        lines: lines of its configuration, besides the defaults; change them before it starts.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.lines: list[str] = ["allow_anonymous true"]
        self.listener = f"listener {self.port} 127.0.0.1"
        self._folder = folder
        self._log = folder / "mosquitto.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """The log of all its runs."""
        return self._log.read_text(errors="replace")

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        config = self._folder / "mosquitto.conf"
        # As root, mosquitto would change to a user that cannot read the test's files.
        config.write_text("\n".join(["user root", "log_type all", self.listener, *self.lines, ""]))
        program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") or "mosquitto"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen([program, "-c", config], stdout=log, stderr=log)
        wait_until(self._accepts, lambda: f"broker: {self.log}")

    def _accepts(self) -> bool:
        """Return True if the broker takes connections."""
        assert self._process
        assert self._process.poll() is None, self.log
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def kill(self) -> None:
        """Kill it; it publishes nothing more."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in an orderly way, if it runs."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Make it hang: it keeps its connections but answers nothing."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self.thaw()
        self._process.send_signal(number)
        self._process.wait(10)
        self._process = None


@dataclass(frozen=True)
class Heard:
    """A message as a subscriber received it, with the time on the monotonic clock."""

    topic: str
    payload: str
    retained: bool
    qos: int
    at: float

    @property
    def fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.payload)
        return fields


class Subscriber:
    """Another client of the broker: it receives everything, and publishes for a test.

    Attributes:
        heard: all messages, in order; first wait for the ones that you need.
    """

    def __init__(self, broker: Broker, topic: str = "#") -> None:
        self.heard: list[Heard] = []
        self._topic = topic
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5, reconnect_on_failure=False)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, 1)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        assert self._ready.wait(10)

    def _on_message(self, _client: object, _data: object, message: Any) -> None:
        with self._changed:
            payload = message.payload.decode(errors="replace")
            self.heard.append(Heard(message.topic, payload, message.retain, message.qos, time.monotonic()))
            self._changed.notify_all()

    def publish(self, topic: str, payload: str | bytes, *, retain: bool = False) -> None:
        """Publish at QoS 1 and wait until the broker has it."""
        self._client.publish(topic, payload, 1, retain).wait_for_publish(10)

    def on(self, topic: str) -> list[Heard]:
        """Return the messages on a topic so far."""
        with self._changed:
            return [heard for heard in self.heard if heard.topic == topic]

    def wait(self, topic: str, payload: str | None = None, *, count: int = 1) -> Heard:
        """Wait for the count-th message on a topic, with this payload if one is given, and return it."""

        def matching() -> list[Heard]:
            return [heard for heard in self.on(topic) if payload is None or heard.payload == payload]

        self.wait_until(lambda: len(matching()) >= count, f"{topic} {payload or ''}")
        return matching()[count - 1]

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, 60), (
                f"{what} did not come: {[(heard.topic, heard.payload) for heard in self.heard]}"
            )

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        for name in ("on_connect", "on_subscribe", "on_message"):
            setattr(self._client, name, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture
def stopped_broker(tmp_path: Path) -> Iterator[Broker]:
    """A :class:`Broker` that does not run yet; skips the test if mosquitto is missing."""
    if shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") is None:
        pytest.skip("needs mosquitto")
    broker = Broker(tmp_path)
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def broker(stopped_broker: Broker) -> Broker:
    """A running :class:`Broker` that accepts every client."""
    stopped_broker.start()
    return stopped_broker


@pytest.fixture
def subscriber(broker: Broker) -> Iterator[Subscriber]:
    """A client that receives everything."""
    with Subscriber(broker) as listening:
        yield listening
