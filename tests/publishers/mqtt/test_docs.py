"""The examples of the documentation work as they are."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from kws.config.reading import read_config
from kws.decision.values import NearMiss, Reason
from kws.publishers.formats import as_json, near_miss_fields
from kws.publishers.health import HealthReport
from kws.publishers.mqtt.arbitration import Claim, read_claim
from kws.publishers.mqtt.forget import forget
from kws.publishers.mqtt.homeassistant import HomeAssistantOptions
from kws.publishers.mqtt.settings import MqttOptions
from kws.publishers.mqtt.topics import Topics
from tests.support.broker import Broker, Subscriber
from tests.support.mqtt_publisher import running
from tests.support.publishers import detection

TEXT = (Path(__file__).parents[3] / "docs" / "mqtt.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    every = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    return [text for name, text in every if name == language]


def test_every_configuration_is_one(tmp_path: Path) -> None:
    assert len(blocks("toml")) >= 5
    for text in blocks("toml"):
        path = tmp_path / "kws.toml"
        path.write_text(text if "[mqtt]" in text or "hermes" not in text else f"[mqtt]\n{text}")
        read_config(path)
        tomllib.loads(text)


def test_the_payloads_have_the_fields_that_are_sent() -> None:
    shown_detection, shown_miss, shown_health, shown_claim, flow = (json.loads(text) for text in blocks("json"))
    assert (
        shown_detection
        == HealthReport(listening=True, last_detection=detection("on", score=0.91)).as_dict()["last_detection"]
    )
    miss = NearMiss(keyword="on", score=0.44, threshold=0.5, end=497280, reason=Reason.BELOW_THRESHOLD)
    assert shown_miss | {"time": ""} == near_miss_fields(miss, 16000) | {"time": ""}
    assert list(shown_health) == [*HealthReport(listening=True).as_dict(), "other_instances"]
    assert list(shown_claim) == list(Claim.__struct_fields__)
    assert read_claim(json.dumps(shown_claim).encode())
    nodes = {node["id"]: node for node in flow}
    for node in flow:
        assert all(target in nodes for output in node.get("wires", []) for target in output)
        assert node.get("broker", "kws-broker") in ("kws-broker", "broker.local")


def test_the_automations_are_yaml() -> None:
    yaml = pytest.importorskip("yaml")
    for text in blocks("yaml"):
        (automation,) = yaml.safe_load(text)["automation"]
        assert automation["triggers"]
        assert automation["actions"]


def test_the_rights_are_enough_and_no_more(
    stopped_broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With MQTT 5 the broker says what it refuses; nothing may be."""
    rights = next(text for text in blocks("") if "user kws-kitchen" in text)
    rights = rights.replace("user kws-kitchen\n", "user kws-kitchen\ntopic readwrite kws/hall/claim\n")
    (tmp_path / "rights").write_text(f"topic readwrite #\n{rights}")
    stopped_broker.lines += [f"acl_file {tmp_path / 'rights'}"]
    stopped_broker.start()
    url = stopped_broker.url.replace("//", "//kws-kitchen@")
    options = MqttOptions(url=url, site="kitchen", arbitration="hall")
    with Subscriber(stopped_broker) as subscriber:
        discovery = HomeAssistantOptions()
        with running(stopped_broker, url=url, home_assistant=discovery, arbitration="hall") as service:
            service.publisher.listening("kitchen", on=True)
            service.publisher.threshold("kitchen", "on", 0.5)
            service.publisher.gate("kitchen", None)
            service.publisher.health("kitchen", HealthReport(listening=True))
            service.worker.put(detection("on"))
            assert service.wait_settled(1).published == 1
            subscriber.wait("kws/kitchen/detection/on")
            subscriber.wait("kws/kitchen/health")
            subscriber.wait("kws/kitchen/gate", "closed")
            assert service.publisher.arbiter
            service.publisher.arbiter.put(detection("on"), service.worker.put)
            assert service.wait_settled(2).published == 2
            assert [one.fields["taken"] for one in subscriber.on("kws/hall/claim")] == [False, True]
            subscriber.publish("kws/kitchen/set/threshold/on", "0.7")
            service.commands.get(timeout=10)
            subscriber.publish("homeassistant/status", "online")
            subscriber.wait("homeassistant/device/kws_kitchen/config", count=2)
        subscriber.wait("kws/kitchen/status", "offline")
        assert "refuses" not in caplog.text
        cleared = forget(options, HomeAssistantOptions())
        assert len(cleared) == 6
        with running(stopped_broker, url=url, site="cellar") as other:
            other.worker.put(detection("on"))
            assert other.wait_settled(1).dropped == 1


BLUEPRINT = Path(__file__).parents[3] / "docs" / "blueprints" / "wake_word_then_command.yaml"


@pytest.mark.parametrize(
    ("wake", "wanted", "score", "runs"),
    [
        ("computer", "", 0.5, True),
        ("computer", "computer", 0.97, True),
        ("jarvis", "computer", 0.5, False),
        (None, "", 0.5, False),  # a detection without a gate
        ("computer", "", 0.98, False),
    ],
)
def test_the_blueprint_runs_for_a_command_after_its_wake_word(
    wake: str | None, wanted: str, score: float, runs: bool
) -> None:
    yaml = pytest.importorskip("yaml")
    jinja2 = pytest.importorskip("jinja2")

    class Loader(yaml.SafeLoader):  # type: ignore[misc, name-defined]
        pass

    Loader.add_constructor("!input", lambda loader, node: f"input {loader.construct_scalar(node)}")
    blueprint = yaml.load(BLUEPRINT.read_text(encoding="utf-8"), Loader)
    inputs = blueprint["blueprint"]["input"]
    used = [*blueprint["trigger_variables"].values(), *blueprint["variables"].values(), blueprint["actions"]]
    assert {one.removeprefix("input ") for one in used} == set(inputs)
    render = jinja2.Environment().from_string
    [trigger] = blueprint["triggers"]
    topic = render(trigger["topic"]).render(prefix=inputs["prefix"]["default"], site="kitchen", command="on")
    assert topic == Topics("kws", "kitchen").detection("on")
    [condition] = blueprint["conditions"]
    payload = json.loads(as_json(detection("on", wake=wake)))
    said = render(condition["value_template"]).render(trigger={"payload_json": payload}, wake_word=wanted, score=score)
    assert said.strip() == str(runs)
