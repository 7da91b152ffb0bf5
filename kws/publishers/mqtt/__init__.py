"""Detections, state and health over MQTT, and control from it; ``docs/mqtt.md`` tells every topic.

Nothing here imports paho-mqtt before a connection is made.
"""

from kws.pipeline.requests import Request, SetListening, SetThreshold
from kws.publishers.mqtt.hermes import HermesOptions
from kws.publishers.mqtt.homeassistant import HomeAssistantOptions
from kws.publishers.mqtt.publisher import MqttPublisher
from kws.publishers.mqtt.settings import MqttOptions

__all__ = [
    "HermesOptions",
    "HomeAssistantOptions",
    "MqttOptions",
    "MqttPublisher",
    "Request",
    "SetListening",
    "SetThreshold",
]
