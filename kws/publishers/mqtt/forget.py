"""Taking back what the broker retains of a site: the service then is unknown to Home Assistant and to everybody."""

from __future__ import annotations

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
_PATIENCE = 5.0

#: Seconds in which retained messages come, where their end is not to be seen.
_SETTLE = 1.0


def open_session(options: MqttOptions, hear: Hear = lambda _topic, _payload, _retained: None) -> Session:
    """A connection for a single errand: without a will, and under a name of its own.

    Raises:
        UsageError, ConnectError: see :class:`~kws.publishers.mqtt.session.Session`.
    """
    broker = parse_broker(options)
    return Session(
        options,
        broker,
        password=read_password(options),
        tls=make_tls(options, broker),
        client_id=f"kws-{secrets.token_hex(6)}",
        hear=hear,
    )


def forget(options: MqttOptions, home_assistant: HomeAssistantOptions) -> list[str]:
    """Clear every retained message of a site, discovery in either form and of every model included.

    Returns:
        The topics that were cleared.

    Raises:
        UsageError: an option that cannot be.
        ConnectError: the broker cannot be reached or does not let us in.
        PublishError: the connection was lost, or the broker refuses.
    """
    topics = Topics(options.prefix, site_name(options))
    mark = secrets.token_hex(6)
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
        session.subscribe(filters, deadline=time.monotonic() + _PATIENCE)
        # What is retained comes before what is published later, here on a topic where a running service passes it over.
        session.publish([Message(topics.instance, mark)], deadline=time.monotonic() + _PATIENCE)
        done.wait(_SETTLE)
        messages = [Message(topic, "", retain=True) for topic in found]
        if messages:
            session.publish(messages, deadline=time.monotonic() + _PATIENCE)
    finally:
        session.close()
    return list(found)
