from __future__ import annotations

import time

import pytest

from kws.common.backoff import Backoff
from kws.pipeline.requests import SetListening
from kws.publishers.mqtt import MqttPublisher
from kws.publishers.mqtt.topics import Message
from tests.support.broker import Broker, Subscriber
from tests.support.mqtt_publisher import running
from tests.support.publishers import detection, past


def test_the_wait_doubles_up_to_the_limit_and_half_of_it_is_chance() -> None:
    for _ in range(20):
        backoff = Backoff(first=1, limit=60)
        for nominal in (1, 2, 4, 8, 16, 32, 60, 60, 60):
            assert nominal / 2 <= backoff.wait() <= nominal


def test_two_clients_do_not_wait_alike() -> None:
    assert len({Backoff().wait() for _ in range(20)}) > 1


def test_a_good_connection_begins_it_anew() -> None:
    backoff = Backoff(first=1, limit=60)
    for _ in range(5):
        backoff.wait()
    backoff.reset()
    assert backoff.wait() <= 1


@pytest.mark.parametrize(("first", "limit"), [(0, 60), (2, 1), (-1, 1)])
def test_the_limits_must_make_sense(first: float, limit: float) -> None:
    with pytest.raises(ValueError, match="first must be positive"):
        Backoff(first=first, limit=limit)


def test_a_defect_in_whoever_hears_does_not_deafen_the_connection(
    broker: Broker, subscriber: Subscriber, caplog: pytest.LogCaptureFixture
) -> None:
    with running(broker) as service:
        service.publisher._on_command = lambda _: 1 / 0  # type: ignore[assignment]
        service.session()
        subscriber.publish("kws/kitchen/set/listening", "OFF")
        service.worker.put(detection("on"))
        assert service.wait_settled(1).published == 1
        while "handling a message failed" not in caplog.text:
            past(time.monotonic() + 0.01)
        service.publisher._on_command = service.commands.put
        subscriber.publish("kws/kitchen/set/listening", "OFF")
        assert service.commands.get(timeout=10) == SetListening(on=False)


def test_a_defect_on_the_way_to_the_broker_is_no_reason_to_give_up(
    broker: Broker, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter([1])
    original = MqttPublisher._hello

    def hello(publisher: MqttPublisher) -> Message:
        for _ in calls:
            raise ZeroDivisionError
        return original(publisher)

    monkeypatch.setattr(MqttPublisher, "_hello", hello)
    with running(broker) as service:
        service.worker.put(detection("on"))
        assert service.wait_settled(1).published == 1
    assert "the connection failed" in caplog.text
