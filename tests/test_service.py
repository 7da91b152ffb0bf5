"""The loop of the service, with a source that a test feeds and a model for which a loud sound is the word "on"."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self

import numpy as np
import pytest

from kws.decision import resolve
from kws.errors import AudioError
from kws.frontend import FrontEnd
from kws.pipeline import Pipeline
from kws.publishers import Dispatcher, Lane
from kws.publishers.mqtt import HomeAssistantOptions, MqttOptions, MqttPublisher, SetListening, SetThreshold
from kws.publishers.mqtt.link import Backoff
from kws.service import Service
from kws.values import AudioBlock, Float32Array
from tests.broker import Broker, Subscriber
from tests.publishers.doubles import Recorder

RATE = 16000
QUIET, LOUD = 0.0, 0.5


class LoudMeansOn:
    """A model that hears "on" while the newest 0.2 s are loud, and silence otherwise."""

    name = "loud"
    labels = ("_silence_", "_unknown_", "on", "off")
    front_end = FrontEnd()

    def posteriors(self, columns: Float32Array) -> Float32Array:
        loud = float(np.mean(columns[-20:])) > -3.0
        return np.array([0.1, 0.0, 0.9, 0.0] if loud else [1.0, 0.0, 0.0, 0.0], np.float32)


class Microphone:
    """Hears what the test says, second by second, and counts how often it was opened."""

    live = True
    length: float | None = None
    rate = RATE
    name = "the test's microphone"

    def __init__(self) -> None:
        self.sound: SimpleQueue[Float32Array | Exception | None] = SimpleQueue()
        self.opened = 0
        self.lost = 0
        self.closed = threading.Event()

    def __enter__(self) -> Self:
        self.opened += 1
        self.closed.clear()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed.set()

    def blocks(self) -> Iterator[AudioBlock]:
        position = 0
        while True:
            samples = self.sound.get()
            if samples is None:
                return
            if isinstance(samples, Exception):
                raise samples
            yield AudioBlock(samples, position)
            position += len(samples)

    def hear(self, *levels: float) -> None:
        """Half a second of each level, in blocks as a microphone delivers them."""
        noise = np.random.default_rng(1).standard_normal(RATE // 2).astype(np.float32)
        for level in levels:
            for block in np.split(level * noise, 25):
                self.sound.put(block)

    def say_on(self) -> None:
        self.hear(QUIET, QUIET, LOUD, QUIET)


class Home:
    """A service that runs in a thread, and what belongs to it."""

    def __init__(self, *, broker: Broker | None = None, closes: bool = True, **more: Any) -> None:
        self.microphone = Microphone()
        self.recorder = Recorder()
        self.inbox: SimpleQueue[Any] = SimpleQueue()
        model: Any = LoudMeansOn()
        pipeline = Pipeline(model, resolve(model.labels, {}))
        self.pipeline = pipeline
        lanes = [Lane(self.recorder)]
        mqtt = None
        if broker:
            options = MqttOptions(url=broker.url, site="kitchen")
            mqtt = MqttPublisher(
                options, keywords=("on", "off"), model="loud", on_command=self.inbox.put,
                home_assistant=HomeAssistantOptions(), backoff=Backoff(first=0.05, limit=0.2),
            )  # fmt: skip
            lanes.append(Lane(mqtt))
        self.dispatcher = Dispatcher(lanes)
        self.service = Service(
            lambda: self.microphone, pipeline, self.dispatcher, mqtt=mqtt, inbox=self.inbox, closes=closes, **more
        )
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.service.run()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.failure = error

    def wait(self) -> None:
        """Wait for the end."""
        self._thread.join(20)
        assert not self._thread.is_alive()

    def stop(self) -> None:
        self.service.stop()
        self.microphone.hear(QUIET)  # a microphone never stands still
        self.wait()


@pytest.fixture
def start() -> Iterator[Callable[..., Home]]:
    """Starts services that are ended with the test."""
    homes: list[Home] = []

    def start(**options: Any) -> Home:
        homes.append(Home(**options))
        return homes[-1]

    yield start
    for home in homes:
        home.stop()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 15
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_it_publishes_what_it_hears_until_the_source_ends(start: Callable[..., Home]) -> None:
    home = start()
    home.microphone.say_on()
    home.microphone.say_on()
    home.microphone.sound.put(None)
    home.wait()
    assert home.recorder.heard == ["on", "on"]
    assert home.recorder.closed
    assert home.microphone.closed.is_set()


def test_stop_ends_it_in_order(start: Callable[..., Home]) -> None:
    home = start()
    home.microphone.say_on()
    home.recorder.wait_for(1)
    home.stop()
    assert home.recorder.closed
    assert home.microphone.closed.is_set()
    assert home.failure is None


def test_a_source_that_fails_ends_it_with_its_error(start: Callable[..., Home]) -> None:
    home = start()
    home.microphone.sound.put(AudioError("the microphone is gone"))
    home.wait()
    assert str(home.failure) == "the microphone is gone"
    assert home.recorder.closed


def test_off_closes_the_microphone_and_on_opens_it(start: Callable[..., Home]) -> None:
    home = start()
    home.microphone.say_on()
    home.recorder.wait_for(1)
    home.inbox.put(SetListening(on=False))
    home.microphone.hear(QUIET)
    assert home.microphone.closed.wait(10)
    while not home.microphone.sound.empty():
        home.microphone.sound.get()
    assert not home.service.health().listening
    assert home.service.health().source is None
    home.inbox.put(SetListening(on=True))
    until(lambda: home.microphone.opened == 2)
    home.microphone.say_on()
    home.recorder.wait_for(2)


def test_a_pipe_stays_open_and_what_is_said_meanwhile_is_passed_over(start: Callable[..., Home]) -> None:
    home = start(closes=False)
    home.inbox.put(SetListening(on=False))
    home.microphone.say_on()
    until(home.microphone.sound.empty)
    home.inbox.put(SetListening(on=True))
    home.microphone.say_on()
    home.microphone.sound.put(None)
    home.wait()
    assert home.microphone.opened == 1
    assert home.recorder.heard == ["on"]


def test_a_threshold_changes_while_it_listens(start: Callable[..., Home]) -> None:
    home = start()
    home.microphone.say_on()
    home.recorder.wait_for(1)
    home.inbox.put(SetThreshold("on", 0.95))
    home.inbox.put(SetThreshold("on", 5.0))  # nothing that passed the check at the door, but nothing breaks
    home.inbox.put(SetThreshold("nothing", 0.5))
    home.microphone.say_on()
    until(home.microphone.sound.empty)
    assert home.pipeline.decider.settings.keywords["on"].threshold == 0.95
    home.inbox.put(SetThreshold("on", 0.8))
    home.microphone.say_on()
    home.microphone.sound.put(None)
    home.wait()
    assert home.recorder.heard == ["on", "on"]


def test_over_the_broker_from_first_to_last(broker: Broker, subscriber: Subscriber, start: Callable[..., Home]) -> None:
    home = start(broker=broker)
    subscriber.wait("kws/kitchen/status", "online")
    assert subscriber.on("kws/kitchen/state/listening")[0].payload == "ON"
    assert subscriber.on("kws/kitchen/state/threshold/on")[0].payload == "0.8"
    assert subscriber.on("homeassistant/device/kws_kitchen/config")
    home.microphone.say_on()
    heard = subscriber.wait("kws/kitchen/detection/on").fields
    assert heard["score"] == pytest.approx(0.9, abs=0.01)
    subscriber.wait_until(
        lambda: any(
            message.fields["last_detection"] is not None for message in list(subscriber.heard)
            if message.topic == "kws/kitchen/health"
        ),
        "health with the detection",
    )  # fmt: skip
    health = subscriber.on("kws/kitchen/health")[-1].fields
    assert health["last_detection"] == heard
    assert health["source"] == "the test's microphone"
    assert health["model"] == "loud"
    assert health["windows"] > 0

    def hear_until(topic: str, payload: str) -> None:
        """The broker has a request sooner than the service, which takes it between two blocks."""

        def came() -> bool:
            home.microphone.hear(QUIET)
            return any(message.payload == payload for message in subscriber.on(topic))

        until(came)

    subscriber.publish("kws/kitchen/set/threshold/on", "0.95")
    hear_until("kws/kitchen/state/threshold/on", "0.95")
    subscriber.publish("kws/kitchen/set/listening", "OFF")
    hear_until("kws/kitchen/state/listening", "OFF")
    assert home.microphone.closed.wait(10)
    subscriber.publish("kws/kitchen/set/listening", "ON")
    subscriber.wait("kws/kitchen/state/listening", "ON", count=2)
    home.stop()
    subscriber.wait("kws/kitchen/status", "offline")


def test_the_health_is_told_again_and_again(broker: Broker, subscriber: Subscriber, start: Callable[..., Home]) -> None:
    home = start(broker=broker, health_seconds=0.05)
    home.microphone.hear(QUIET, QUIET, QUIET)
    subscriber.wait("kws/kitchen/health", count=4)
    until(lambda: subscriber.on("kws/kitchen/health")[-1].fields["windows"] > 0)
    levels = [health.fields["level"] for health in subscriber.on("kws/kitchen/health")]
    assert {level for level in levels if level is not None} == {-120.0}


def test_home_assistant_is_told_again_when_it_starts(
    broker: Broker, subscriber: Subscriber, start: Callable[..., Home]
) -> None:
    start(broker=broker)
    subscriber.wait("kws/kitchen/status", "online")
    subscriber.publish("homeassistant/status", "offline")
    subscriber.publish("homeassistant/status", "online")
    subscriber.wait("homeassistant/device/kws_kitchen/config", count=2)
    subscriber.wait("kws/kitchen/state/listening", "ON", count=2)
    subscriber.wait("kws/kitchen/state/threshold/off", count=2)


def test_a_broker_that_dies_while_somebody_speaks(broker: Broker, start: Callable[..., Home]) -> None:
    home = start(broker=broker)
    with Subscriber(broker) as subscriber:
        home.microphone.say_on()
        subscriber.wait("kws/kitchen/detection/on")
        home.microphone.hear(QUIET, QUIET, LOUD)
        broker.kill()
        home.microphone.hear(QUIET)
        home.recorder.wait_for(2)  # those that need no broker hear it all the same
    broker.start()
    with Subscriber(broker) as subscriber:
        home.microphone.say_on()
        home.recorder.wait_for(3)
        subscriber.wait("kws/kitchen/status", "online")
        until(lambda: settled(home) == 6)
    assert home.dispatcher.lanes[1].counts.published >= 2


def settled(home: Home) -> int:
    counts = home.dispatcher.counts
    return counts.published + counts.dropped + counts.unconfirmed


def test_a_source_that_hangs_does_not_keep_it_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kws.service._END_SECONDS", 0.05)
    home = Home()
    until(lambda: home.microphone.opened == 1)
    home.service.stop()
    home.wait()
    assert home.recorder.closed
    home.microphone.sound.put(None)
