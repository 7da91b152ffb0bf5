"""One connection to the broker, never used again after it is lost.

By itself paho-mqtt would reconnect and send again what was not confirmed: a detection minutes late, or twice. So each
connection has a client of its own. A connection that does not confirm in time is reset, so that the operating system
forgets what it has not sent.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kws.errors import KwsError
from kws.publishers.base import PublishError, UnconfirmedError
from kws.publishers.mqtt.explain import explain, explain_refusal
from kws.publishers.mqtt.settings import Broker, MqttOptions
from kws.publishers.mqtt.topics import Message

if TYPE_CHECKING:
    import ssl

    from paho.mqtt.client import Client
    from paho.mqtt.reasoncodes import ReasonCode

_log = logging.getLogger(__name__)

#: Seconds that the broker has for each step of a login.
CONNECT_SECONDS = 5.0

#: The longest message in bytes that the broker may send us (MQTT 5); all that we subscribe to is short.
LARGEST = 65536

#: Called in the connection's own thread with topic, payload and whether it was retained. It must not block or raise.
Hear = Callable[[str, bytes, bool], None]


class ConnectError(KwsError):
    """The broker cannot be reached or refuses the login."""


class NotSentError(PublishError):
    """The connection was lost before anything was sent: the next connection may send it."""


class Session:
    """An open connection.

    Args:
        options: of the user.
        broker: from their URL.
        password: None for none.
        tls: from :func:`kws.publishers.mqtt.tls.make_tls`.
        client_id: unique among the clients of the broker.
        will: published by the broker when it loses this connection.
        hear: gets the messages of the subscriptions.
        on_lost: called once, in the connection's own thread, when the connection is lost.

    Raises:
        ConnectError: the broker cannot be reached or refuses the login.

    Attributes:
        lost: True once the connection has ended.
        refused: filters and topics that the broker refused, each with its reason.
    """

    def __init__(
        self,
        options: MqttOptions,
        broker: Broker,
        *,
        password: str | None,
        tls: ssl.SSLContext | None,
        client_id: str,
        will: Message | None = None,
        hear: Hear = lambda _topic, _payload, _retained: None,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        from paho.mqtt.client import Client, MQTTv5, MQTTv311  # noqa: PLC0415
        from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415

        self.lost = False
        self.refused: list[str] = []
        self._five = options.protocol == "5"
        self._hear = hear
        self._on_lost = on_lost
        self._changed = threading.Condition()
        self._answer: ReasonCode | None = None
        self._subscribed: dict[int, Sequence[ReasonCode]] = {}
        self._confirmed: dict[int, ReasonCode | None] = {}
        self._raw: socket.socket | None = None
        self._client = client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if self._five else True,
            protocol=MQTTv5 if self._five else MQTTv311,
            transport="websockets" if broker.websockets else "tcp",
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_SECONDS
        if broker.websockets:
            client.ws_set_options(path=broker.path)
        if broker.user is not None or password is not None:
            client.username_pw_set(broker.user or "", password)
        if tls is not None:
            client.tls_set_context(tls)
        if will is not None:
            client.will_set(will.topic, will.payload, will.qos, will.retain)
        self._set_callbacks(client)
        try:
            self._connect(broker, options.keepalive)
        except (OSError, ValueError) as error:  # a ValueError is a bad answer on websockets
            raise ConnectError(explain(error, broker)) from None
        self._wait_for_login(broker, options.protocol, has_password=password is not None)

    def _set_callbacks(self, client: Client) -> None:
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message

    def _connect(self, broker: Broker, keepalive: int) -> None:
        more: dict[str, Any] = {}
        if self._five:
            more = {"clean_start": True, "properties": _properties("CONNECT", MaximumPacketSize=LARGEST)}
        self._client.connect(broker.host, broker.port, keepalive, **more)
        wrapped = self._client.socket()
        if wrapped is not None:
            # A handle of our own on the TCP socket, below TLS and websockets.
            self._raw = socket.socket(fileno=os.dup(wrapped.fileno()))
            # A detection is two short messages; the second must not wait until the first is acknowledged.
            self._raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client.loop_start()

    def _wait_for_login(self, broker: Broker, protocol: str, *, has_password: bool) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._answer is not None or self.lost, CONNECT_SECONDS)
            answer, lost = self._answer, self.lost
        if answer is not None and not answer.is_failure and not lost:
            return
        self.abort()
        if answer is not None and answer.is_failure:
            raise ConnectError(explain_refusal(answer.getName(), broker, protocol, has_password=has_password))
        if lost:
            raise ConnectError(f"ends the connection at once; does it speak MQTT {protocol} on this port?")
        raise ConnectError(f"accepts the connection, but does not answer within {CONNECT_SECONDS:g} s")

    def subscribe(self, filters: Sequence[str], *, deadline: float, requests: Collection[str] = ()) -> None:
        """Subscribe at QoS 1 and wait for the answer. Refused filters are added to :attr:`refused`.

        Args:
            filters: to subscribe to.
            deadline: on the clock of :func:`time.monotonic`.
            requests: filters whose messages keep the retain flag of their sender (MQTT 5). Without it a message shows
                as retained only if it is older than the subscription.

        Raises:
            PublishError: the connection was lost, or the broker did not answer in time.
        """
        from paho.mqtt.subscribeoptions import SubscribeOptions  # noqa: PLC0415

        wanted: list[Any] = [
            (name, SubscribeOptions(qos=1, retainAsPublished=name in requests) if self._five else 1) for name in filters
        ]
        _, mid = self._client.subscribe(wanted)
        with self._changed:
            self._changed.wait_for(lambda: self.lost or mid in self._subscribed, _left(deadline))
            codes = self._subscribed.pop(mid, None) if mid is not None else None
        if codes is None:
            self.abort()
            raise PublishError("the broker does not answer")
        self.refused += [
            f"subscribing to {name}: {code}" for name, code in zip(filters, codes, strict=False) if code.is_failure
        ]

    def publish(self, messages: Sequence[Message], *, deadline: float) -> None:
        """Publish messages in order and wait until the broker has confirmed each; else end the connection.

        The deadline is on the clock of :func:`time.monotonic`.

        Raises:
            NotSentError: the connection was lost before.
            UnconfirmedError: it was lost meanwhile, or the deadline passed; the messages may have arrived.
            PublishError: the broker refuses one.
        """
        mids: dict[int, Message] = {}
        for message in messages:
            properties = None
            if self._five and message.expiry_seconds is not None:
                properties = _properties("PUBLISH", MessageExpiryInterval=message.expiry_seconds)
            info = self._client.publish(
                message.topic, message.payload.encode(), message.qos, message.retain, properties
            )
            if info.rc != 0:  # paho keeps the message; it goes with this client
                self.abort()
                if not mids:
                    raise NotSentError("the connection was lost")
                raise UnconfirmedError("the connection broke while it was sent")
            mids[info.mid] = message
        with self._changed:
            done = self._changed.wait_for(lambda: self.lost or mids.keys() <= self._confirmed.keys(), _left(deadline))
            answers = {mid: self._confirmed.pop(mid) for mid in mids if mid in self._confirmed}
        if len(answers) < len(mids):
            self.abort()
            raise UnconfirmedError(
                "the connection broke before it was confirmed" if done else "the broker did not confirm it in time"
            )
        for mid, code in answers.items():
            if code is not None and code.is_failure:
                self.refused.append(f"publishing on {mids[mid].topic}: {code}")
                raise PublishError(f"the broker refuses {mids[mid].topic}: {code}")

    def close(self) -> None:
        """Disconnect in an orderly way, so that the broker does not publish the will."""
        self._client.disconnect()
        with self._changed:
            self._changed.wait_for(lambda: self.lost, 1.0)
        self.abort()

    def abort(self) -> None:
        """End the connection at once. What waits to be sent, here or in the operating system, is never sent."""
        with self._changed:
            if self._raw is None:
                return
            with suppress(OSError):
                # With linger time 0 the system discards unsent data and closes the connection by a reset.
                self._raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # Wakes paho's thread, which then closes its own handle.
                self._raw.shutdown(socket.SHUT_RD)
            self._changed.wait_for(lambda: self.lost, 2.0)
        self._on_disconnect()

    # Called by paho in the connection's own thread.

    def _on_connect(self, _client: object, _data: object, _flags: object, code: ReasonCode, _more: object) -> None:
        with self._changed:
            self._answer = code
            self._changed.notify_all()

    def _on_disconnect(self, *_: object) -> None:
        with self._changed:
            raw, self._raw = self._raw, None
            already, self.lost = self.lost, True
            self._changed.notify_all()
        if raw is not None:
            raw.close()
        if not already:
            self._on_lost()
            # Break the reference cycle between client and session, so that sockets close without the collector.
            client = self._client
            client.on_connect = client.on_publish = client.on_subscribe = client.on_message = None
            client.on_disconnect = None

    def _on_publish(self, _client: object, _data: object, mid: int, code: ReasonCode, _more: object) -> None:
        with self._changed:
            self._confirmed[mid] = code
            self._changed.notify_all()
            if self._raw is not None:
                with suppress(OSError):  # the connection has just ended
                    # Acknowledge at once: a broker may hold the next confirmation back until then, for 40 ms.
                    self._raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _on_subscribe(self, _client: object, _data: object, mid: int, codes: Sequence[ReasonCode], _: object) -> None:
        with self._changed:
            self._subscribed[mid] = codes
            self._changed.notify_all()

    def _on_message(self, _client: object, _data: object, message: Any) -> None:
        try:
            self._hear(message.topic, message.payload, message.retain)
        except UnicodeDecodeError:  # the topic is not text, so it is none of ours
            pass
        except Exception:  # noqa: BLE001 - it would end paho's thread, and the connection would be deaf
            _log.exception("handling a message failed")


def _properties(packet: str, **values: object) -> Any:
    """Return the properties of a packet of MQTT 5."""
    from paho.mqtt.packettypes import PacketTypes  # noqa: PLC0415
    from paho.mqtt.properties import Properties  # noqa: PLC0415

    properties = Properties(getattr(PacketTypes, packet))  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def _left(deadline: float) -> float:
    return min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)
