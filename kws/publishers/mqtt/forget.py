"""Clears everything that the broker retains of a site."""

from __future__ import annotations

import json
import secrets
import threading
import time

from kws.publishers.mqtt import homeassistant
from kws.publishers.mqtt.homeassistant import HomeAssistantOptions
from kws.publishers.mqtt.session import Hear, Session
from kws.publishers.mqtt.settings import MqttOptions, parse_broker, read_password, site_name
from kws.publishers.mqtt.tls import make_tls
from kws.publishers.mqtt.topics import Message, Topics

#: Seconds for each step.
_STEP_SECONDS = 5.0

#: Seconds for retained messages to arrive if their end cannot be seen.
_SETTLE_SECONDS = 1.0


def open_session(options: MqttOptions, hear: Hear = lambda _topic, _payload, _retained: None) -> Session:
    """Open a connection without a will.

    Raises:
        UsageError: an option is wrong.
        ConnectError: the broker cannot be reached or refuses the login.
    """
    broker, password, client_id = parse_broker(options), read_password(options), f"kws-{secrets.token_hex(6)}"
    tls = make_tls(options, broker)
    return Session(options, broker, password=password, tls=tls, client_id=client_id, hear=hear)


def forget(options: MqttOptions, home_assistant: HomeAssistantOptions) -> list[str]:
    """Clear every retained message of a site, and discovery in both forms and of earlier models; return their topics.

    Raises:
        UsageError, ConnectError: see :func:`open_session`.
        PublishError: the connection was lost, or the broker refuses.
    """
    topics = Topics(options.prefix, site_name(options))
    mark = json.dumps({"forget": secrets.token_hex(6)})
    found: dict[str, None] = {}
    done = threading.Event()

    def hear(topic: str, payload: bytes, retained: bool) -> None:
        if topic == topics.instance and payload == mark.encode():
            done.set()
        elif retained and payload:
            found[topic] = None

    session = open_session(options, hear)
    try:
        filters = [*homeassistant.discovery_filters(home_assistant, topics.site), f"{topics.base}/#"]
        session.subscribe(filters, deadline=time.monotonic() + _STEP_SECONDS)
        # Retained messages arrive before this mark. A running service ignores it.
        session.publish([Message(topics.instance, mark)], deadline=time.monotonic() + _STEP_SECONDS)
        done.wait(_SETTLE_SECONDS)
        if found:
            messages = [Message(topic, "", retain=True) for topic in found]
            session.publish(messages, deadline=time.monotonic() + _STEP_SECONDS)
    finally:
        session.close()
    return list(found)
