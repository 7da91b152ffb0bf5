from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.pipeline.requests import SetListening
from kws.publishers.mqtt.hermes import TOGGLE_OFF, TOGGLE_ON, HermesOptions, detected, toggled
from tests.support.broker import Broker, Subscriber
from tests.support.mqtt_publisher import running
from tests.support.publishers import detection


def test_a_detection_in_the_words_of_hermes() -> None:
    message = detected(detection("computer"), site="kitchen", version="1.2", threshold=0.85)
    assert (message.topic, message.qos, message.retain) == ("hermes/hotword/computer/detected", 0, False)
    assert json.loads(message.payload) == {
        "modelId": "commands",
        "modelVersion": "1.2",
        "modelType": "universal",
        "currentSensitivity": 0.15,
        "siteId": "kitchen",
        "sessionId": None,
        "sendAudioCaptured": None,
        "lang": None,
        "customEntities": None,
    }


def test_rhasspy_understands_it() -> None:
    wake = pytest.importorskip("rhasspyhermes.wake", reason="needs rhasspy-hermes (pip install --no-deps)")
    message = detected(detection("computer"), site="kitchen", version="1.2", threshold=0.85)
    assert wake.HotwordDetected.is_topic(message.topic)
    assert wake.HotwordDetected.get_wakeword_id(message.topic) == "computer"
    parsed = wake.HotwordDetected.from_json(message.payload)
    assert (parsed.model_id, parsed.model_version, parsed.model_type) == ("commands", "1.2", "universal")
    assert (parsed.current_sensitivity, parsed.site_id, parsed.session_id) == (0.15, "kitchen", None)


def test_what_rhasspy_says_is_understood() -> None:
    wake = pytest.importorskip("rhasspyhermes.wake", reason="needs rhasspy-hermes (pip install --no-deps)")
    on, off = wake.HotwordToggleOn(site_id="kitchen"), wake.HotwordToggleOff(site_id="kitchen")
    assert toggled(on.topic(), on.payload().encode(), site="kitchen") is True
    assert toggled(off.topic(), off.payload().encode(), site="kitchen") is False


@pytest.mark.parametrize(
    ("topic", "payload", "site", "means"),
    [
        (TOGGLE_ON, b'{"siteId": "kitchen"}', "kitchen", True),
        (TOGGLE_OFF, b'{"siteId": "kitchen", "reason": "ttsSay"}', "kitchen", False),
        (TOGGLE_OFF, b'{"siteId": "cellar"}', "kitchen", None),
        (TOGGLE_OFF, b"{}", "default", False),
        (TOGGLE_OFF, b"{}", "kitchen", None),
        ("hermes/hotword/toggle", b'{"siteId": "kitchen"}', "kitchen", None),
        (TOGGLE_ON, b"", "kitchen", None),
        (TOGGLE_ON, b"[" * 4000, "kitchen", None),
        (TOGGLE_ON, b'{"siteId": "kitchen", "x": "' + b"x" * 5000 + b'"}', "kitchen", None),
    ],
)
def test_a_toggle_is_for_one_site(topic: str, payload: bytes, site: str, means: bool | None) -> None:
    assert toggled(topic, payload, site=site) is means


@given(st.binary() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode))
def test_whatever_comes_raises_nothing(payload: bytes) -> None:
    assert toggled(TOGGLE_ON, payload, site="kitchen") is None


def test_hermes_over_the_broker(broker: Broker, subscriber: Subscriber) -> None:
    with running(broker, hermes=HermesOptions(enabled=True, site="satellite")) as service:
        service.publisher.threshold("kitchen", "on", 0.8)
        service.worker.put(detection("on"))
        heard = subscriber.wait("hermes/hotword/on/detected")
        assert heard.fields["siteId"] == "satellite"
        assert heard.fields["currentSensitivity"] == 0.2
        subscriber.publish(TOGGLE_OFF, '{"siteId": "default"}')
        subscriber.publish(TOGGLE_OFF, '{"siteId": "satellite"}')
        assert service.commands.get(timeout=10) == SetListening(on=False)


def test_hermes_is_silent_unless_enabled(broker: Broker, subscriber: Subscriber) -> None:
    with running(broker, hermes=HermesOptions(enabled=False)) as service:
        service.worker.put(detection("on"))
        subscriber.wait("kws/kitchen/detection/on")
    assert not [heard for heard in subscriber.heard if heard.topic.startswith("hermes")]
