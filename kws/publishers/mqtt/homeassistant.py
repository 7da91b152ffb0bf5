"""Home Assistant's MQTT discovery: the microphone and its keywords appear by themselves.

https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery. In the form ``device`` (Home Assistant 2024.11 and
later) one message describes everything; in the form ``components`` each entity has a message of its own.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from kws.common.tables import Text
from kws.decision.settings import RANGES
from kws.publishers.mqtt import topics as names
from kws.publishers.mqtt.control import OFF, ON
from kws.publishers.mqtt.topics import Message, Prefix, Topics, identifier

BIRTH = "online"


class HomeAssistantOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``home_assistant``.

    Attributes:
        discovery: whether to announce the device.
        prefix: of Home Assistant's discovery topics and of its birth message.
        form: one message for the device, or one for each component.
        name: of the device; None for ``kws SITE``.
        area: that Home Assistant suggests for the device.
    """

    discovery: bool = True
    prefix: Prefix = "homeassistant"
    form: Literal["device", "components"] = "device"
    name: Text | None = None
    area: Text | None = None

    @property
    def birth_topic(self) -> str:
        """The topic on which Home Assistant says that it has started."""
        return f"{self.prefix}/status"


def discovery_filters(options: HomeAssistantOptions, site: str) -> list[str]:
    """Return filters for every message that :func:`discovery` ever sent for a site, in either form."""
    return [_device_topic(options, site), f"{options.prefix}/+/kws_{site}/+/config"]


def discovery(
    options: HomeAssistantOptions,
    topics: Topics,
    keywords: Sequence[str],
    *,
    model: str,
    version: str,
    gated: bool = False,
) -> list[Message]:
    """Return the retained messages that announce the service: this version of kws, with the keywords of a model."""
    device = {
        "identifiers": [f"kws_{topics.site}"],
        "name": options.name or f"kws {topics.site}",
        "manufacturer": "kws",
        "model": model,
        "sw_version": version,
        **({"suggested_area": options.area} if options.area else {}),
    }
    common = {"device": device, "origin": {"name": "kws", "sw_version": version}}
    availability = {"availability": [{"topic": topics.status}]}
    parts = components(topics, keywords, gated=gated)
    if options.form == "device":
        return [_retained(_device_topic(options, topics.site), {**common, **availability, "components": parts})]
    messages = []
    for key, part in parts.items():
        platform = part.pop("platform")
        # A device trigger is not an entity and has no availability.
        shared = common if platform == "device_automation" else {**common, **availability}
        topic = f"{options.prefix}/{platform}/kws_{topics.site}/{key}/config"
        messages.append(_retained(topic, {**shared, **part}))
    return messages


def components(topics: Topics, keywords: Sequence[str], *, gated: bool = False) -> dict[str, dict[str, Any]]:
    """Return the entities and triggers by key, each with its platform."""
    parts: dict[str, dict[str, Any]] = {
        "keyword": {
            "platform": "event",
            "name": "Keyword",
            "icon": "mdi:account-voice",
            "event_types": list(keywords),
            "state_topic": topics.detection(),
            # An event entity reads its type from this field; the other fields become attributes.
            "value_template": "{{ dict(value_json, event_type=value_json.keyword) | tojson }}",
        },
        "listening": _switch("Listening", "mdi:microphone", topics, names.LISTENING),
    }
    if gated:
        parts["gate"] = {
            "platform": "binary_sensor",
            "name": "Gate",
            "icon": "mdi:gate",
            "state_topic": topics.gate,
            "value_template": "{{ 'OFF' if value == 'closed' else 'ON' }}",
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
        parts[f"keyword_{identifier(keyword)}"] = {
            **_switch(f"Listen for {keyword}", "mdi:ear-hearing", topics, names.switch(keyword)),
            "entity_category": "config",
        }
    for key, (name, icon, more) in _DIAGNOSTICS.items():
        parts[key] = {
            "platform": "sensor",
            "name": name,
            "icon": f"mdi:{icon}",
            "entity_category": "diagnostic",
            "state_topic": topics.health,
            "value_template": f"{{{{ value_json.{key} }}}}",
            **more,
        }
    for key, part in parts.items():
        part["unique_id"] = f"kws_{topics.site}_{key}"
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


_COUNTER = {"state_class": "total_increasing"}

#: Sensors by the field of the health that they show: name, icon and other settings.
_DIAGNOSTICS: dict[str, tuple[str, str, dict[str, str]]] = {
    "level": ("Level", "waveform", {"unit_of_measurement": "dB", "state_class": "measurement"}),
    "windows": ("Windows", "counter", _COUNTER),
    "dropped_samples": ("Dropped samples", "content-cut", _COUNTER),
    "dropped_detections": ("Dropped detections", "timer-alert-outline", _COUNTER),
    "last_detection": (
        "Last keyword",
        "history",
        {"value_template": "{{ value_json.last_detection.keyword if value_json.last_detection else 'none' }}"},
    ),
}


def _switch(name: str, icon: str, topics: Topics, path: str) -> dict[str, Any]:
    return {
        "platform": "switch",
        "name": name,
        "icon": icon,
        "command_topic": topics.set(path),
        "state_topic": topics.state(path),
        "payload_on": ON,
        "payload_off": OFF,
        "qos": 1,
    }


def _device_topic(options: HomeAssistantOptions, site: str) -> str:
    return f"{options.prefix}/device/kws_{site}/config"


def _retained(topic: str, payload: dict[str, Any]) -> Message:
    return Message(topic, json.dumps(payload, ensure_ascii=False), retain=True)
