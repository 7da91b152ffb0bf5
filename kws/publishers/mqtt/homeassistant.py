"""Home Assistant's MQTT discovery: the microphone with its keywords appears by itself.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery. In the form ``device`` (Home Assistant 2024.11 and
later) one message describes all; in the form ``components`` each entity has a message of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from kws.decision.settings import RANGES
from kws.publishers.mqtt import topics as names
from kws.publishers.mqtt.control import OFF, ON
from kws.publishers.mqtt.topics import Message, Topics, identifier

BIRTH = "online"


class HomeAssistantOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``home_assistant``.

    Attributes:
        discovery: whether to make oneself known at all.
        prefix: of Home Assistant's discovery topics and of its birth message.
        form: one message for the device, or one for each component.
        name: of the device; None for ``kws SITE``.
        area: that Home Assistant suggests for it.
    """

    discovery: bool = True
    prefix: str = "homeassistant"
    form: Literal["device", "components"] = "device"
    name: str | None = None
    area: str | None = None


def birth_topic(options: HomeAssistantOptions) -> str:
    """Where Home Assistant says that it has started."""
    return f"{options.prefix}/status"


def discovery(
    options: HomeAssistantOptions, topics: Topics, keywords: Sequence[str], *, model: str, version: str
) -> list[Message]:
    """The messages that make the service known, retained.

    Args:
        options: as configured.
        topics: of the site.
        keywords: of the model, in its order.
        model: its name.
        version: of kws.
    """
    device = {
        "identifiers": [device_id(topics.site)],
        "name": options.name or f"kws {topics.site}",
        "manufacturer": "kws",
        "model": model,
        "sw_version": version,
    }
    if options.area:
        device["suggested_area"] = options.area
    common = {"device": device, "origin": {"name": "kws", "sw_version": version}}
    availability = {"availability": [{"topic": topics.status}]}
    parts = components(topics, keywords)
    if options.form == "device":
        payload = {**common, **availability, "components": parts}
        return [_retained(_device_topic(options, topics.site), payload)]
    messages = []
    for key, part in parts.items():
        rest = dict(part)
        platform = rest.pop("platform")
        # A trigger is no entity and has no availability.
        shared = common if platform == "device_automation" else {**common, **availability}
        topic = f"{options.prefix}/{platform}/{device_id(topics.site)}/{key}/config"
        messages.append(_retained(topic, {**shared, **rest}))
    return messages


def discovery_filters(options: HomeAssistantOptions, site: str) -> list[str]:
    """Filters for every message that :func:`discovery` ever sent for a site, in either form."""
    return [_device_topic(options, site), f"{options.prefix}/+/{device_id(site)}/+/config"]


def device_id(site: str) -> str:
    return f"kws_{site}"


def components(topics: Topics, keywords: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Each entity and trigger by its key, with the platform that it is of."""
    unique = device_id(topics.site)
    parts: dict[str, dict[str, Any]] = {
        "keyword": {
            "platform": "event",
            "name": "Keyword",
            "icon": "mdi:account-voice",
            "event_types": list(keywords),
            "state_topic": topics.detection(),
            # An event needs its type under this name; the rest of the detection become attributes.
            "value_template": "{{ dict(value_json, event_type=value_json.keyword) | tojson }}",
        },
        "listening": {
            "platform": "switch",
            "name": "Listening",
            "icon": "mdi:microphone",
            "command_topic": topics.set(names.LISTENING),
            "state_topic": topics.state(names.LISTENING),
            "payload_on": ON,
            "payload_off": OFF,
            "qos": 1,
        },
    }
    low, high = RANGES["threshold"]
    for keyword in keywords:
        parts[f"threshold_{identifier(keyword)}"] = {
            "platform": "number",
            "name": f"Threshold {keyword}",
            "icon": "mdi:tune-vertical",
            "entity_category": "config",
            "command_topic": topics.set(names.threshold(keyword)),
            "state_topic": topics.state(names.threshold(keyword)),
            "min": low,
            "max": high,
            "step": 0.01,
            "mode": "slider",
            "qos": 1,
        }
    for key, name, icon, more in _DIAGNOSTICS:
        parts[key] = {
            "platform": "sensor",
            "name": name,
            "icon": icon,
            "entity_category": "diagnostic",
            "state_topic": topics.health,
            **more,
        }
    for key, part in parts.items():
        part["unique_id"] = f"{unique}_{key}"
    for keyword in keywords:
        parts[f"heard_{identifier(keyword)}"] = {
            "platform": "device_automation",
            "automation_type": "trigger",
            "type": "heard",
            "subtype": keyword,
            "topic": topics.detection(keyword),
            "qos": 1,
        }
    return parts


_DIAGNOSTICS: tuple[tuple[str, str, str, dict[str, str]], ...] = (
    (
        "level",
        "Level",
        "mdi:waveform",
        {"value_template": "{{ value_json.level }}", "unit_of_measurement": "dB", "state_class": "measurement"},
    ),
    (
        "windows",
        "Windows",
        "mdi:counter",
        {"value_template": "{{ value_json.windows }}", "state_class": "total_increasing"},
    ),
    (
        "dropped_samples",
        "Dropped samples",
        "mdi:content-cut",
        {"value_template": "{{ value_json.dropped_samples }}", "state_class": "total_increasing"},
    ),
    (
        "dropped_detections",
        "Dropped detections",
        "mdi:timer-alert-outline",
        {"value_template": "{{ value_json.dropped_detections }}", "state_class": "total_increasing"},
    ),
    (
        "last_detection",
        "Last keyword",
        "mdi:history",
        {"value_template": "{{ value_json.last_detection.keyword if value_json.last_detection else 'none' }}"},
    ),
)


def _device_topic(options: HomeAssistantOptions, site: str) -> str:
    return f"{options.prefix}/device/{device_id(site)}/config"


def _retained(topic: str, payload: dict[str, Any]) -> Message:
    return Message(topic, json.dumps(payload, ensure_ascii=False), retain=True)
