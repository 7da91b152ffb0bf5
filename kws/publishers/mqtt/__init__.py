"""Detections, state and health over MQTT, and control from it; ``docs/mqtt.md`` tells every topic.

Nothing here imports paho-mqtt before a connection is made.
"""

from kws.publishers.mqtt.control import Command, SetListening, SetThreshold
from kws.publishers.mqtt.health import Health
from kws.publishers.mqtt.hermes import HermesOptions
from kws.publishers.mqtt.homeassistant import HomeAssistantOptions
from kws.publishers.mqtt.publisher import MqttPublisher
from kws.publishers.mqtt.settings import MqttOptions

__all__ = [
    "Command",
    "Health",
    "HermesOptions",
    "HomeAssistantOptions",
    "MqttOptions",
    "MqttPublisher",
    "SetListening",
    "SetThreshold",
]
