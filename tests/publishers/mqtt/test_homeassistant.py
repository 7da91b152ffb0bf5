"""Discovery, checked against what Home Assistant documents, and against a Home Assistant where there is one.

The environment variable KWS_TEST_HOMEASSISTANT names the Python that has it installed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.pipeline.requests import SetListening, SetThreshold
from kws.publishers.formats import as_dict, as_json
from kws.publishers.health import HealthReport
from kws.publishers.mqtt.forget import forget
from kws.publishers.mqtt.homeassistant import HomeAssistantOptions, discovery
from kws.publishers.mqtt.settings import MqttOptions
from kws.publishers.mqtt.topics import Message, Topics
from tests.support import ROOT
from tests.support.broker import Broker, Subscriber
from tests.support.mqtt_publisher import running
from tests.support.publishers import detection

TOPICS = Topics("kws", "kitchen")
KEYWORDS = ("on", "off", "hey mycroft")

#: What the documentation calls required, and what else of it is used here, for each platform.
DOCUMENTED = {
    "event": ({"event_types", "state_topic"}, {"name", "icon", "value_template", "unique_id"}),
    "switch": (
        {"command_topic"},
        {"name", "icon", "state_topic", "payload_on", "payload_off", "qos", "unique_id", "entity_category"},
    ),
    "number": (
        {"command_topic"},
        {"name", "icon", "state_topic", "min", "max", "step", "mode", "qos", "unique_id", "entity_category"},
    ),
    "binary_sensor": ({"state_topic"}, {"name", "icon", "value_template", "unique_id"}),
    "sensor": (
        {"state_topic"},
        {"name", "icon", "value_template", "unit_of_measurement", "state_class", "unique_id", "entity_category"},
    ),
    "device_automation": ({"automation_type", "topic", "type", "subtype"}, {"qos"}),
}
DEVICE = {"identifiers", "name", "manufacturer", "model", "sw_version", "suggested_area"}


def messages(form: str = "device", keywords: tuple[str, ...] = KEYWORDS, **more: str) -> list[Message]:
    options = HomeAssistantOptions(form=form, **more)  # type: ignore[arg-type]
    return discovery(options, TOPICS, keywords, model="commands", version="0.1.0", gated=True)


def payload(message: Message) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(message.payload)
    return result


def check_component(platform: str, config: dict[str, Any]) -> None:
    required, optional = DOCUMENTED[platform]
    assert required <= config.keys() <= required | optional
    if platform == "device_automation":
        assert config["automation_type"] == "trigger"
    else:
        assert config["unique_id"]  # entities of a device need one


def test_one_message_describes_the_device() -> None:
    (message,) = messages(area="Kitchen")
    assert (message.topic, message.qos, message.retain) == ("homeassistant/device/kws_kitchen/config", 1, True)
    described = payload(message)
    assert described.keys() == {"device", "origin", "availability", "components"}
    assert described["device"].keys() == DEVICE
    assert described["device"]["identifiers"] == ["kws_kitchen"]
    assert described["origin"] == {"name": "kws", "sw_version": "0.1.0"}
    assert described["availability"] == [{"topic": "kws/kitchen/status"}]
    for key, part in described["components"].items():
        assert re.fullmatch(r"[A-Za-z0-9_-]+", key)
        config = dict(part)
        check_component(config.pop("platform"), config)


def test_the_keywords_are_events_triggers_and_sliders() -> None:
    (message,) = messages()
    parts = payload(message)["components"]
    assert parts["keyword"]["event_types"] == list(KEYWORDS)
    assert parts["heard_on"]["topic"] == "kws/kitchen/detection/on"
    assert (parts["heard_on"]["type"], parts["heard_on"]["subtype"]) == ("heard", "on")
    slider = parts["threshold_on"]
    assert (slider["command_topic"], slider["state_topic"]) == (
        "kws/kitchen/set/threshold/on",
        "kws/kitchen/state/threshold/on",
    )
    assert (slider["min"], slider["max"], slider["step"]) == (0.01, 1.0, 0.01)
    assert parts["listening"]["command_topic"] == "kws/kitchen/set/listening"
    platforms = [part["platform"] for part in parts.values()]
    assert platforms.count("number") == platforms.count("device_automation") == 3


def test_diagnostics_are_fields_of_the_health() -> None:
    (message,) = messages()
    fields = HealthReport(listening=True).as_dict()
    for part in payload(message)["components"].values():
        if part["platform"] == "sensor":
            names = re.findall(r"value_json\.(\w+)", part["value_template"])
            assert names
            assert set(names) <= fields.keys()


def test_the_older_form_has_a_message_for_each_component() -> None:
    single = messages("components")
    (whole,) = messages()
    parts = payload(whole)["components"]
    assert len(single) == len(parts)
    for message, (key, part) in zip(single, parts.items(), strict=True):
        assert message.topic == f"homeassistant/{part['platform']}/kws_kitchen/{key}/config"
        assert re.fullmatch(r"homeassistant/\w+/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/config", message.topic)
        assert message.retain
        config = payload(message)
        assert config.pop("device") == payload(whole)["device"]
        assert config.pop("origin") == payload(whole)["origin"]
        available = config.pop("availability", None)
        assert (available is None) == (part["platform"] == "device_automation")
        check_component(part["platform"], config)


def test_prefix_and_name_can_be_chosen() -> None:
    (message,) = messages(prefix="ha", name="Kitchen microphone")
    assert message.topic == "ha/device/kws_kitchen/config"
    assert payload(message)["device"]["name"] == "Kitchen microphone"


@given(st.lists(st.text(min_size=1, max_size=8).filter(str.strip), min_size=1, max_size=5, unique=True))
def test_any_keywords_make_a_payload_of_distinct_components(keywords: list[str]) -> None:
    (message,) = messages(keywords=tuple(keywords))
    message.payload.encode()
    parts = payload(message)["components"]
    unique = [part["unique_id"] for part in parts.values() if "unique_id" in part]
    assert len(set(unique)) == len(unique)
    platforms = [part["platform"] for part in parts.values()]
    assert platforms.count("number") == len(keywords)


@pytest.fixture
def home_assistant() -> str:
    python = os.environ.get("KWS_TEST_HOMEASSISTANT")
    if not python:
        pytest.skip("needs KWS_TEST_HOMEASSISTANT, the Python of an environment with Home Assistant")
    return python


@pytest.mark.process
def test_a_home_assistant_takes_it(home_assistant: str) -> None:
    (whole,) = messages(area="Kitchen")
    described = payload(whole)
    components = [
        # As it takes a device's description apart: what is common goes to each component.
        [part.pop("platform"), {**{name: described[name] for name in ("device", "origin", "availability")}, **part}]
        for part in described["components"].values()
    ]
    components += [[message.topic.split("/")[1], payload(message)] for message in messages("components")]
    report = HealthReport(listening=True, level=-43.21, windows=7, last_detection=detection("on"))
    health = json.dumps(report.as_dict())
    parts = payload(whole)["components"]
    template = parts["keyword"]["value_template"]
    last = parts["last_detection"]["value_template"]
    level = parts["level"]["value_template"]
    templates = [[template, as_json(detection("on"))], [last, health], [level, health]]
    result = subprocess.run(
        [home_assistant, ROOT / "tests" / "support" / "ha_schemas.py"],
        input=json.dumps({"components": components, "templates": templates}),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    answer = json.loads(result.stdout)
    assert answer["problems"] == []
    event = json.loads(answer["rendered"][template])
    assert event == {**json.loads(as_json(detection("on"))), "event_type": "on"}
    assert answer["rendered"][last] == "on"
    assert answer["rendered"][level] == "-43.2"


def test_a_home_assistant_finds_it_hears_it_and_controls_it(home_assistant: str, broker: Broker) -> None:
    """In the older form: the Home Assistant for this Python does not know discovery by device yet."""
    with running(broker, home_assistant=HomeAssistantOptions(form="components")) as service:
        publisher = service.publisher
        publisher.listening("kitchen", on=True)
        publisher.threshold("kitchen", "on", 0.8)
        publisher.health("kitchen", HealthReport(listening=True, level=-40.04))
        instance = subprocess.Popen(
            [home_assistant, ROOT / "tests" / "support" / "ha_instance.py", str(broker.port)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert instance.stdout
            assert instance.stdout.readline() == "found\n", instance.communicate()
            service.worker.put(detection("on", wake="computer"))
            assert service.commands.get(timeout=20) == SetThreshold("on", 0.77)
            publisher.threshold("kitchen", "on", 0.77)
            assert service.commands.get(timeout=20) == SetListening(on=False)
            publisher.listening("kitchen", on=False)
            answer = json.loads(instance.stdout.readline())
        finally:
            instance.kill()
            instance.communicate()
    assert answer["device"] == "kws kitchen"
    assert answer["triggers"] == ["off heard", "on heard"]
    assert answer["states"]["sensor.kws_kitchen_level"] == "-40.0"
    assert answer["states"]["sensor.kws_kitchen_last_keyword"] == "none"
    assert answer["event"]["event_types"] == ["on", "off"]
    assert answer["event"].items() >= {**as_dict(detection("on", wake="computer")), "event_type": "on"}.items()


@pytest.mark.parametrize("form", ["device", "components"])
def test_forgetting_leaves_nothing_at_the_broker(broker: Broker, subscriber: Subscriber, form: str) -> None:
    options = HomeAssistantOptions(form=form)  # type: ignore[arg-type]
    subscriber.publish("homeassistant/number/kws_cellar/threshold_on/config", "another site's", retain=True)
    subscriber.publish("homeassistant/number/kws_kitchen/threshold_old/config", "of an older model", retain=True)
    with running(broker, home_assistant=options) as service:
        service.publisher.listening("kitchen", on=True)
        subscriber.wait("kws/kitchen/status", "online")
    topics = forget(MqttOptions(url=broker.url, site="kitchen"), options)
    assert "homeassistant/number/kws_kitchen/threshold_old/config" in topics
    assert "kws/kitchen/state/listening" in topics
    assert "kws/kitchen/status" in topics
    with Subscriber(broker) as later:
        later.publish("mark", "")
        later.wait("mark")
        assert [heard.topic for heard in later.heard if heard.retained] == [
            "homeassistant/number/kws_cellar/threshold_on/config"
        ]
    assert forget(MqttOptions(url=broker.url, site="kitchen", protocol="3.1.1"), options) == []
    assert all(heard.fields for heard in subscriber.on("kws/kitchen/instance"))  # JSON, for every subscriber
