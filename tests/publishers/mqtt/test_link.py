from __future__ import annotations

import time

import pytest

from kws.pipeline.requests import SetListening
from kws.publishers.mqtt.publisher import MqttPublisher
from kws.publishers.mqtt.topics import Message
from tests.support.broker import Broker, Subscriber
from tests.support.mqtt_publisher import running
from tests.support.publishers import detection, past


def test_a_failing_request_handler_does_not_end_the_connection(
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
