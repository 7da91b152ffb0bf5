"""From one configuration to the next: what stays the same goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kws.app.build import Composition
from kws.app.mqtt_observer import MqttObserver
from kws.config import read_config
from kws.errors import KwsError
from kws.publishers import PublisherWorker
from kws.publishers.mqtt import MqttPublisher
from kws.service import Plan, Setup

#: A port at which nobody is; nothing connects before a service runs.
MQTT = '[mqtt]\nurl = "mqtt://127.0.0.1:1"\n'
KITCHEN = '[[source]]\nsite = "kitchen"\ninput = "a"\nrate = 16000\n'
HALL = '[[source]]\nsite = "hall"\ninput = "b"\nrate = 16000\nkeyword.on.threshold = 0.9\n'

Read = Callable[..., Plan]


def mqtt(setup: Setup) -> MqttPublisher:
    """The publisher that a setup tells its state to."""
    assert isinstance(setup.observer, MqttObserver)
    return setup.observer.publisher


@pytest.fixture
def read(tmp_path: Path, model_folder: Path) -> Iterator[Read]:
    """Makes a plan of these tables, by one composition."""
    composition = Composition()
    workers: set[PublisherWorker] = set()

    def read(*tables: str) -> Plan:
        path = tmp_path / "kws.toml"
        path.write_text("\n".join((*tables, f'[model]\nname = "{model_folder}"')))
        plan = composition.plan(read_config(path))
        workers.update(plan.workers)
        return plan

    yield read
    for worker in workers:
        worker.close(timeout=0)


def test_several_sources_have_one_model_and_settings_and_a_connection_of_their_own(read: Read) -> None:
    plan = read(KITCHEN, HALL, MQTT, "[stdout]")
    kitchen, hall = (place.setup for place in plan.places)
    assert (kitchen.site, hall.site) == ("kitchen", "hall")
    assert kitchen.pipeline.model is hall.pipeline.model
    assert hall.pipeline.settings.keywords["on"].threshold == 0.9
    assert kitchen.pipeline.settings.keywords["on"].threshold != 0.9
    assert mqtt(kitchen) is not mqtt(hall)
    shared = set(kitchen.dispatcher.workers) & set(hall.dispatcher.workers)
    assert [worker.publisher.name for worker in shared] == ["standard output"]
    assert len(plan.workers) == 3
    assert kitchen.inbox is not hall.inbox


def test_a_publisher_whose_settings_are_the_same_goes_on(read: Read) -> None:
    first = read(KITCHEN, MQTT, "[stdout]")
    second = read(KITCHEN, MQTT, "[stdout]", "[decision]\nrefractory = 1.0")
    assert second.workers == first.workers
    assert second.retired == []
    assert second.places[0].key == first.places[0].key
    assert second.places[0].setup.inbox is first.places[0].setup.inbox
    assert second.places[0].setup.pipeline.settings.keywords["on"].refractory == 1.0


def test_one_whose_settings_are_others_is_made_anew(read: Read) -> None:
    first = read(KITCHEN, MQTT, "[stdout]")
    second = read(KITCHEN, f"{MQTT}keepalive = 60", "[stdout]")
    (retired,) = second.retired
    assert retired.publisher is mqtt(first.places[0].setup)
    assert mqtt(second.places[0].setup) is not mqtt(first.places[0].setup)
    third = read(KITCHEN, "[stdout]")
    assert [worker.publisher for worker in third.retired] == [mqtt(second.places[0].setup)]


def test_a_source_is_the_same_where_its_own_settings_are(read: Read) -> None:
    keys = [
        read(KITCHEN, "[stdout]", more).places[0].key
        for more in ("", "[decision]\nthreshold = 0.9", "[watch]\nsilence = 3", "[watch]\nbacklog = 1.0")
    ]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert read(HALL, "[stdout]").places[0].key != keys[0]


def test_what_is_wrong_changes_nothing(read: Read) -> None:
    first = read(KITCHEN, MQTT, "[stdout]")
    with pytest.raises(KwsError):
        read(KITCHEN, MQTT, "[stdout]", '[exec]\ncommand = "x"\n[exec.commands]\nnonsense = "y"')
    again = read(KITCHEN, MQTT, "[stdout]")
    assert again.workers == first.workers
    assert again.retired == []
