"""A service with the toy model and the live page, which hears what a test writes into a pipe."""

from __future__ import annotations

import http.client
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from kws.app.observers import ServiceObservers
from kws.app.service import make_service
from kws.app.state import StateFile
from kws.config.overrides import parse_set
from kws.config.reading import read_config
from kws.servers.monitor import Monitor
from kws.types import Float32Array
from tests.support.toy_model import tone
from tests.support.waiting import wait_until

RATE = 16000


def words(*spoken: str) -> Float32Array:
    """Return a tone for each word, each after a second of faint noise, and another second of that."""
    rest = np.random.default_rng(3).standard_normal(RATE).astype(np.float32) * np.float32(1e-3)
    return np.concatenate([part for word in spoken for part in (rest, tone(word))] + [rest])


class WatchedService:
    """The service, in a thread.

    Args:
        folder: for its pipe and its state.
        model: its folder.
        said: settings besides the source, the model and the page.
    """

    def __init__(self, folder: Path, model: Path, *said: str) -> None:
        self.fifo = folder / "sound"
        if not self.fifo.exists():
            os.mkfifo(self.fifo)
        settings = [
            f"source.input={self.fifo}", f"source.rate={RATE}", 'source.site="kitchen"', f"model.name={model}",
            "exec.command=true {keyword}", "monitor.port=0", "watch.stall=60", *said,
        ]  # fmt: skip
        config = read_config(None, [parse_set(setting) for setting in settings])
        self.observers = ServiceObservers(lambda: config)
        self.service = make_service(self.observers.read, self.observers, state=StateFile(folder / "state.json"))
        self.observers.begin(self.service)
        server = self.observers._served["monitor"].server
        assert isinstance(server, Monitor)
        self.monitor = server
        self.port = server._web.server_port
        self.pipeline = self.service.listeners[0].place.pipeline
        self.pipe = os.fdopen(os.open(self.fifo, os.O_RDWR), "wb", buffering=0)
        self._thread = threading.Thread(target=self.service.run, daemon=True)
        self._thread.start()

    def hear(self, sound: Float32Array) -> None:
        self.pipe.write(np.round(sound * 32767).astype("<i2").tobytes())

    def say(self, *spoken: str) -> None:
        """Say words, and wait until they were heard."""
        heard = self.service.listeners[0].counters.detections + len(spoken)
        self.hear(words(*spoken))
        wait_until(lambda: self.service.listeners[0].counters.detections == heard)

    def request(
        self, method: str, path: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, str, bytes]:
        """Return the status, the Set-Cookie header and the body of an answer."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Set-Cookie", ""), answer.read()

    def stop(self) -> None:
        self.service.stop()
        self.pipe.write(bytes(320))
        self._thread.join(20)
        self.observers.close()
        self.pipe.close()
        assert not self._thread.is_alive()


class Watcher:
    """A browser that only follows the events."""

    def __init__(self, port: int, headers: dict[str, str] | None = None) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self.connection.request("GET", "/events", headers=headers or {})
        self.answer = self.connection.getresponse()
        self.messages: list[dict[str, Any]] = []  # all so far
        self._new = self._read()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return self._new

    def _read(self) -> Iterator[dict[str, Any]]:
        """Yield each new message."""
        while line := self.answer.readline():
            if line.startswith(b"data: "):
                for message in json.loads(line[6:]):
                    self.messages.append(message)
                    yield message

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read up to the first message of a kind, and return it."""
        return next(message for message in self._new if wanted(message))

    def close(self) -> None:
        self.answer.close()
        self.connection.close()
