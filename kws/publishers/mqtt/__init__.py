"""Detections, state and health over MQTT, and control from it; ``docs/mqtt.md`` tells every topic.

Nothing here imports paho-mqtt before a connection is made.
"""
