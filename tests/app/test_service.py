"""From one configuration to the next: what stays the same goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kws.app.service import Composition
from kws.config.reading import read_config
from kws.errors import KwsError
from kws.publishers.mqtt.publisher import MqttPublisher
from kws.publishers.worker import PublisherWorker
from kws.service.place import Place

#: A port on which nothing listens; nothing connects before a service runs.
MQTT = '[mqtt]\nurl = "mqtt://127.0.0.1:1"\n'
KITCHEN = '[[source]]\nsite = "kitchen"\ninput = "a"\nrate = 16000\n'
HALL = '[[source]]\nsite = "hall"\ninput = "b"\nrate = 16000\nkeyword.on.threshold = 0.9\n'

Read = Callable[..., list[Place]]


def mqtt(place: Place) -> MqttPublisher:
    """The publisher that a place tells its state to."""
    assert isinstance(place.observer, MqttPublisher)
    return place.observer


def workers(places: list[Place]) -> set[PublisherWorker]:
    return {worker for place in places for worker in place.workers}


@pytest.fixture
def read(tmp_path: Path, model_folder: Path) -> Iterator[Read]:
    """Makes places of these tables, by one composition."""
    composition = Composition()
    made: set[PublisherWorker] = set()

    def read(*tables: str) -> list[Place]:
        path = tmp_path / "kws.toml"
        path.write_text("\n".join((*tables, f'[model]\nname = "{model_folder}"')))
        places = composition.places(read_config(path))
        made.update(workers(places))
        return places

    yield read
    for worker in made:
        worker.close(timeout=0)


def test_several_sources_have_one_model_and_settings_and_a_connection_of_their_own(read: Read) -> None:
    kitchen, hall = places = read(KITCHEN, HALL, MQTT, "[stdout]")
    assert (kitchen.site, hall.site) == ("kitchen", "hall")
    assert kitchen.pipeline.model is hall.pipeline.model
    assert hall.pipeline.settings.keywords["on"].threshold == 0.9
    assert kitchen.pipeline.settings.keywords["on"].threshold != 0.9
    assert mqtt(kitchen) is not mqtt(hall)
    shared = set(kitchen.workers) & set(hall.workers)
    assert [worker.publisher.name for worker in shared] == ["standard output"]
    assert len(workers(places)) == 3
    assert kitchen.inbox is not hall.inbox


def test_a_publisher_whose_settings_are_the_same_goes_on(read: Read) -> None:
    first = read(KITCHEN, MQTT, "[stdout]")
    second = read(KITCHEN, MQTT, "[stdout]", "[decision]\nrefractory = 1.0")
    assert workers(second) == workers(first)
    assert second[0].key == first[0].key
    assert second[0].inbox is first[0].inbox
    assert second[0].pipeline.settings.keywords["on"].refractory == 1.0


def test_one_whose_settings_are_others_is_made_anew(read: Read) -> None:
    first = read(KITCHEN, MQTT, "[stdout]")
    second = read(KITCHEN, f"{MQTT}keepalive = 60", "[stdout]")
    (retired,) = workers(first) - workers(second)
    assert retired.publisher is mqtt(first[0])
    assert mqtt(second[0]) is not mqtt(first[0])
    third = read(KITCHEN, "[stdout]")
    assert [worker.publisher for worker in workers(second) - workers(third)] == [mqtt(second[0])]


def test_a_source_is_the_same_where_its_own_settings_are(read: Read) -> None:
    keys = [
        read(KITCHEN, "[stdout]", more)[0].key
        for more in ("", "[decision]\nthreshold = 0.9", "[watch]\nsilence = 3", "[watch]\nbacklog = 1.0")
    ]
    assert keys[0] == keys[1] == keys[2] != keys[3]
    assert read(HALL, "[stdout]")[0].key != keys[0]


def test_what_is_wrong_changes_nothing(read: Read) -> None:
    first = read(KITCHEN, MQTT, "[stdout]")
    with pytest.raises(KwsError):
        read(KITCHEN, MQTT, "[stdout]", '[exec]\ncommand = "x"\n[exec.commands]\nnonsense = "y"')
    again = read(KITCHEN, MQTT, "[stdout]")
    assert workers(again) == workers(first)


def test_somebody_who_listens_for_nothing_is_told(read: Read) -> None:
    with pytest.raises(KwsError, match=r"kws\.toml: decision\.keywords: leaves nothing to listen for; name a keyword"):
        read(KITCHEN, "[stdout]", "[decision]\nkeywords = []")
    with pytest.raises(KwsError, match=r"kws\.toml: wyoming\.keywords: must be a list of keywords, not \[\]"):
        read(KITCHEN, "[stdout]", "[wyoming]\nkeywords = []")
