"""A service with a source that a test feeds and a model for which a loud sound is the word "on"."""

# ruff: noqa: ARG002 - the diary ignores most arguments
from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any, Self

import numpy as np

from kws.common.backoff import Backoff
from kws.config.schema import WatchOptions
from kws.decision import read_options, resolve
from kws.errors import AudioError
from kws.features.front_end import FrontEnd
from kws.pipeline.pipeline import Pipeline, Scored
from kws.pipeline.requests import Request
from kws.publishers.mqtt.homeassistant import HomeAssistantOptions
from kws.publishers.mqtt.publisher import MqttPublisher
from kws.publishers.mqtt.settings import MqttOptions
from kws.publishers.observer import Observer
from kws.publishers.worker import PublisherWorker
from kws.service.place import Place
from kws.service.service import Service
from kws.types import AudioBlock, Detection, Float32Array
from tests.support.broker import Broker
from tests.support.publishers import Recorder

RATE = 16000

#: Levels of sound: zeros; the last bit of a 24-bit converter, which is below every reported level; speech.
MUTED, QUIET, LOUD = 0.0, 1e-7, 0.5


class LoudMeansOn:
    """A model that says "on" while the newest 0.2 s are loud, and silence otherwise."""

    name = "loud"
    labels = ("_silence_", "_unknown_", "on", "off")
    front_end = FrontEnd()

    def posteriors(self, columns: Float32Array) -> Float32Array:
        loud = float(np.mean(columns[-20:])) > -3.0
        return np.array([0.1, 0.0, 0.9, 0.0] if loud else [1.0, 0.0, 0.0, 0.0], np.float32)


class Microphone:
    """Delivers what the test puts into it; counts how often it was opened, and can refuse to open."""

    live = True
    length: float | None = None
    overruns = drops = 0
    rate = RATE
    name = "the test's microphone"

    def __init__(self) -> None:
        self.sound: SimpleQueue[Float32Array | Exception | int | None] = SimpleQueue()
        self.opened = 0
        self.refuses = 0
        self.refusal: Exception = AudioError("it is not there")
        self.closed = threading.Event()

    def __enter__(self) -> Self:
        if self.refuses:
            self.refuses -= 1
            raise self.refusal
        self.opened += 1
        self.closed.clear()
        return self

    def __exit__(self, *_: object) -> None:
        self.closed.set()

    def interrupt(self) -> None:
        self.sound.put(None)

    def blocks(self) -> Iterator[AudioBlock]:
        position = 0
        while True:
            samples = self.sound.get()
            if samples is None:
                return
            if isinstance(samples, Exception):
                raise samples
            if isinstance(samples, int):  # so many were lost
                position += samples
                continue
            yield AudioBlock(samples, position)
            position += len(samples)

    def hear(self, *levels: float) -> None:
        """Deliver half a second of each level, in blocks of 20 ms."""
        noise = np.random.default_rng(1).standard_normal(RATE // 2).astype(np.float32)
        for level in levels:
            for block in np.split(level * noise, 25):
                self.sound.put(block)

    def hear_block(self, level: float) -> None:
        """Deliver 20 ms of a level."""
        noise = np.random.default_rng(2).standard_normal(RATE // 50).astype(np.float32)
        self.sound.put(level * noise)

    def forget(self) -> None:
        """Drop sound that was not read: a real microphone keeps none while it is closed."""
        while not self.sound.empty():
            self.sound.get()

    def say_on(self) -> None:
        self.hear(QUIET, QUIET, LOUD, QUIET)


class Diary(Observer):
    """An observer that writes down its events, in order; a run of equal events once."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.was_ready = threading.Event()
        self.switched: list[tuple[str, bool]] = []  # keywords, apart from the other events

    def _note(self, what: str) -> None:
        if self.told[-1:] != [what]:
            self.told.append(what)

    def ready(self) -> None:
        self.was_ready.set()

    def opened(self, site: str, name: str, rate: int) -> None:
        self._note(f"opened {rate}")

    def scored(self, site: str, scored: Scored) -> None:
        self._note("scored")

    def detected(self, site: str, detection: Detection) -> None:
        self._note(detection.keyword)

    def lost(self, site: str, reason: str) -> None:
        self._note(f"lost: {reason}")

    def recovered(self, site: str) -> None:
        self._note("recovered")

    def keyword(self, site: str, keyword: str, *, on: bool) -> None:
        self.switched.append((keyword, on))

    def muted(self, site: str) -> None:
        self._note("muted")

    def reloading(self) -> None:
        self._note("reloading")

    def reloaded(self, problem: str | None) -> None:
        self._note(f"reloaded: {problem}")

    def stopping(self) -> None:
        self._note("stopping")


class Home:
    """A service in a thread of its own, with its microphone, recorder and observer.

    Args:
        broker: the broker to publish to; None for no MQTT.
        reopens: True if its source is a microphone, which can be opened again.
        watch: when the microphone counts as dead.
        requests: what was set before a restart.
        gate: its wake words; none for no gate.
        others: more sources, each with its site; only the recorder receives their detections.
    """

    def __init__(
        self,
        *,
        broker: Broker | None = None,
        reopens: bool = True,
        watch: WatchOptions | None = None,
        requests: tuple[Request, ...] = (),
        others: dict[str, Microphone] | None = None,
        gate: tuple[str, ...] = (),
        **more: Any,
    ) -> None:
        self.microphone = Microphone()
        self.recorder = Recorder()
        self.inbox: SimpleQueue[Any] = SimpleQueue()
        self.reopens = reopens
        self.requests = requests
        self.gate = gate
        self.watch = watch or WatchOptions(retry=0.1)
        workers = [PublisherWorker(self.recorder)]
        self.mqtt = None
        if broker:
            options = MqttOptions(url=broker.url, site="kitchen")
            self.mqtt = MqttPublisher(
                options, keywords=("on", "off"), model="loud", on_command=self.inbox.put,
                home_assistant=HomeAssistantOptions(), backoff=Backoff(first=0.05, limit=0.2),
            )  # fmt: skip
            workers.append(PublisherWorker(self.mqtt))
        self.workers = tuple(workers)
        self.observer = Diary()
        self.others = others or {}
        self.service = Service(self.places(), reload=self._read_anew, observer=self.observer, **more)
        self.next_places: Callable[[], list[Place]] = self.places
        self.listener = self.service.listeners[0]
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def places(self, **settings: Any) -> list[Place]:
        """Return new places, with these decision settings for every keyword."""
        places = [self._place("kitchen", self.microphone, self.inbox, self.mqtt, settings)]
        return places + [self._place(site, other, SimpleQueue(), None, settings) for site, other in self.others.items()]

    def _place(
        self, site: str, microphone: Microphone, inbox: SimpleQueue[Any], mqtt: MqttPublisher | None, settings: Any
    ) -> Place:
        model: Any = LoudMeansOn()
        layer = read_options({"decision": settings, "gate": {"wake_words": self.gate}})
        pipeline = Pipeline(model, resolve(model.labels, {"test": layer}))
        if site == "kitchen":
            self.pipeline = pipeline
        return Place(
            site=site, key=site, make_source=lambda: microphone, reopens=self.reopens, pipeline=pipeline,
            workers=self.workers, inbox=inbox, watch=self.watch, requests=self.requests,
            observer=mqtt or Observer(),
            label=f"{site}: " if self.others else "",
        )  # fmt: skip

    def _read_anew(self) -> list[Place]:
        return self.next_places()

    def _run(self) -> None:
        try:
            self.service.run()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.failure = error

    def wait(self) -> None:
        """Wait until the service has ended."""
        self._thread.join(20)
        assert not self._thread.is_alive()

    def stop(self) -> None:
        self.service.stop()
        for microphone in (self.microphone, *self.others.values()):
            microphone.hear(QUIET)  # a microphone never stands still
        self.wait()
