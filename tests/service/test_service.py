"""The loop of the service, with a source that a test feeds."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from kws.errors import AudioError
from kws.pipeline.requests import SetKeyword, SetListening, SetThreshold
from kws.publishers.worker import total
from tests.support.broker import Broker, Subscriber
from tests.support.home import LOUD, QUIET, Home
from tests.support.waiting import wait_until


def test_it_publishes_what_it_hears_until_the_source_ends(start: Callable[..., Home]) -> None:
    home = start()
    home.microphone.say_on()
    home.microphone.say_on()
    home.microphone.sound.put(None)
    home.wait()
    assert home.recorder.heard == ["on", "on"]
    assert home.recorder.closed
    assert home.microphone.closed.is_set()


def test_the_end_of_the_source_is_seen_at_once(start: Callable[..., Home], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kws.service.service._LOOK_SECONDS", 3600.0)
    home = start()
    home.microphone.say_on()
    home.microphone.sound.put(None)
    home.wait()
    assert home.recorder.heard == ["on"]


def test_stop_ends_it_in_order(start: Callable[..., Home]) -> None:
    home = start()
    home.microphone.say_on()
    home.recorder.wait_for(1)
    home.stop()
    assert home.recorder.closed
    assert home.microphone.closed.is_set()
    assert home.failure is None


def test_a_pipe_that_fails_ends_it_with_its_error(start: Callable[..., Home]) -> None:
    home = start(reopens=False)
    home.microphone.sound.put(AudioError("the pipe is broken"))
    home.wait()
    assert str(home.failure) == "the pipe is broken"
    assert home.recorder.closed


def test_a_microphone_that_fails_is_opened_again_and_again(
    start: Callable[..., Home], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    home = start()
    home.microphone.say_on()
    home.recorder.wait_for(1)
    home.microphone.refuses = 3
    home.microphone.sound.put(AudioError("it is gone"))
    home.microphone.say_on()
    home.recorder.wait_for(2)
    home.stop()
    assert home.microphone.opened == 2
    assert home.listener.counters.reconnects == 1
    told = home.observer.told
    assert told[:5] == ["opened 16000", "recovered", "scored", "on", "scored"]
    assert told[5:10] == ["lost: it is gone", "opened 16000", "recovered", "scored", "on"]
    assert "stopping" in told
    *first, last = [record.message for record in caplog.records if record.name.startswith("kws.service")]
    assert first == ["listening to the test's microphone for on, off", "nothing is heard: it is gone"]
    assert re.fullmatch(r"listening to the test's microphone again, after \d+ s", last)


def test_off_closes_the_microphone_and_on_opens_it(start: Callable[..., Home]) -> None:
    home = start()
    home.microphone.say_on()
    home.recorder.wait_for(1)
    home.inbox.put(SetListening(on=False))
    home.microphone.hear(QUIET)
    assert home.microphone.closed.wait(10)
    while not home.microphone.sound.empty():
        home.microphone.sound.get()
    assert not home.service.health(home.listener).listening
    assert home.service.health(home.listener).source is None
    home.inbox.put(SetListening(on=True))
    wait_until(lambda: home.microphone.opened == 2)
    home.microphone.say_on()
    home.recorder.wait_for(2)


def test_a_pipe_stays_open_and_what_is_said_meanwhile_is_passed_over(start: Callable[..., Home]) -> None:
    home = start(reopens=False)
    home.inbox.put(SetListening(on=False))
    home.microphone.say_on()
    wait_until(home.microphone.sound.empty)
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
    wait_until(home.microphone.sound.empty)
    assert home.pipeline.settings.keywords["on"].threshold == 0.95
    home.inbox.put(SetThreshold("on", 0.8))
    home.microphone.say_on()
    home.microphone.sound.put(None)
    home.wait()
    assert home.recorder.heard == ["on", "on"]


def test_a_keyword_is_switched_off_while_it_listens(start: Callable[..., Home]) -> None:
    home = start()
    home.microphone.say_on()
    home.recorder.wait_for(1)
    home.inbox.put(SetKeyword("on", on=False))
    home.inbox.put(SetKeyword("nothing", on=False))  # nothing breaks
    home.microphone.say_on()
    wait_until(home.microphone.sound.empty)
    home.inbox.put(SetKeyword("on", on=True))
    home.microphone.say_on()
    home.microphone.sound.put(None)
    home.wait()
    assert home.recorder.heard == ["on", "on"]
    assert home.observer.switched == [("on", True), ("off", True), ("on", False), ("on", True)]


def test_what_was_set_before_a_restart_is_set_from_the_beginning(
    broker: Broker, subscriber: Subscriber, start: Callable[..., Home]
) -> None:
    requests = (SetListening(on=False), SetThreshold("on", 0.95), SetKeyword("off", on=False))
    home = start(broker=broker, requests=requests)
    assert home.observer.was_ready.wait(20)  # or systemd would take it for hanging
    subscriber.wait("kws/kitchen/status", "online")
    subscriber.wait("kws/kitchen/state/listening", "OFF")
    subscriber.wait("kws/kitchen/state/threshold/on", "0.95")
    assert home.microphone.opened == 0
    assert home.observer.switched == [("off", False), ("on", True), ("off", False)]
    home.inbox.put(SetListening(on=True))
    home.microphone.say_on()
    wait_until(lambda: home.microphone.opened == 1 and home.microphone.sound.empty())
    home.inbox.put(SetThreshold("on", 0.8))
    home.microphone.say_on()
    home.recorder.wait_for(1)
    home.stop()
    assert home.recorder.heard == ["on"]


def test_over_the_broker_from_first_to_last(broker: Broker, subscriber: Subscriber, start: Callable[..., Home]) -> None:
    home = start(broker=broker)
    subscriber.wait("kws/kitchen/status", "offline")  # no sound was scored yet
    home.microphone.hear(QUIET)
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

        wait_until(came)

    subscriber.publish("kws/kitchen/set/threshold/on", "0.95")
    hear_until("kws/kitchen/state/threshold/on", "0.95")
    subscriber.publish("kws/kitchen/set/listening", "OFF")
    hear_until("kws/kitchen/state/listening", "OFF")
    assert home.microphone.closed.wait(10)
    subscriber.publish("kws/kitchen/set/listening", "ON")
    subscriber.wait("kws/kitchen/state/listening", "ON", count=2)
    home.stop()
    subscriber.wait("kws/kitchen/status", "offline", count=2)


def test_the_health_is_told_again_and_again(broker: Broker, subscriber: Subscriber, start: Callable[..., Home]) -> None:
    home = start(broker=broker, health_seconds=0.05)
    home.microphone.hear(QUIET, QUIET, QUIET)
    subscriber.wait("kws/kitchen/health", count=4)
    wait_until(lambda: subscriber.on("kws/kitchen/health")[-1].fields["windows"] > 0)
    levels = [health.fields["level"] for health in subscriber.on("kws/kitchen/health")]
    assert {level for level in levels if level is not None} == {-120.0}


def test_home_assistant_is_told_again_when_it_starts(
    broker: Broker, subscriber: Subscriber, start: Callable[..., Home]
) -> None:
    start(broker=broker).microphone.hear(QUIET)
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
        wait_until(lambda: settled(home) == 6)
    assert home.workers[1].counts.published >= 2


def settled(home: Home) -> int:
    counts = total(home.workers)
    return counts.published + counts.dropped + counts.unconfirmed


def test_a_source_that_hangs_does_not_keep_it_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kws.service.service._END_SECONDS", 0.05)
    home = Home()
    wait_until(lambda: home.microphone.opened == 1)
    home.service.stop()
    home.wait()
    assert home.recorder.closed
    home.microphone.sound.put(None)
