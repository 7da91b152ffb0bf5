"""Rhasspy's Hermes protocol: the messages of its hotword service.

https://rhasspy.readthedocs.io/en/latest/reference/#mqtt-api
"""

from __future__ import annotations

import json

import msgspec

from kws.publishers.mqtt.topics import Level, Message, level
from kws.types import Detection

TOGGLES = TOGGLE_ON, TOGGLE_OFF = "hermes/hotword/toggleOn", "hermes/hotword/toggleOff"

_LONGEST = 4096


class HermesOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``hermes``. ``site`` is the ``siteId``; None for the site of MQTT."""

    enabled: bool = False
    site: Level | None = None


def detected(detection: Detection, *, site: str, version: str, threshold: float) -> Message:
    """Return ``hotwordDetected`` for a detection by this version of the model; ``site`` is the ``siteId``.

    The sensitivity of Hermes is 1 less the keyword's threshold.
    """
    payload = {
        "modelId": detection.model,
        "modelVersion": version,
        "modelType": "universal",
        "currentSensitivity": round(1 - threshold, 3),
        "siteId": site,
        "sessionId": None,
        "sendAudioCaptured": None,
        "lang": None,
        "customEntities": None,
    }
    return Message(f"hermes/hotword/{level(detection.keyword)}/detected", json.dumps(payload), qos=0)


def toggled(topic: str, payload: bytes, *, site: str) -> bool | None:
    """Return whether to listen from now on, or None if the message is invalid or for another site."""
    if topic not in TOGGLES or len(payload) > _LONGEST:
        return None
    try:
        fields = json.loads(payload)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or fields.get("siteId", "default") != site:
        return None
    return topic == TOGGLE_ON
