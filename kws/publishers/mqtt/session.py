"""One connection to the broker, from its beginning to its end, and never used again.

paho-mqtt would by itself connect anew and send again whatever was not confirmed: a detection minutes late, or twice.
So each connection has a client of its own, which is thrown away with all that it holds when the connection is lost;
what is not confirmed in time ends the connection in a way that the system too forgets what it has not sent yet.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Sequence
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

#: Seconds that a broker has for each step of letting us in.
CONNECT_SECONDS = 5.0

#: Bytes in the largest message that we want to see (MQTT 5 lets us say so): all that we hear is short.
LARGEST = 65536

#: Called in the connection's own thread with topic, payload and whether it was retained; must neither wait nor raise.
Hear = Callable[[str, bytes, bool], None]


class ConnectError(KwsError):
    """The broker cannot be reached or does not let us in."""


class NotSentError(PublishError):
    """The connection was lost before anything was sent: it may be tried on the next."""


class Session:
    """A connection, open from construction on.

    Args:
        options: as configured.
        broker: what their URL says.
        password: None for none.
        tls: from :func:`kws.publishers.mqtt.tls.make_tls`.
        client_id: that no other client has.
        will: published by the broker when this connection is lost.
        hear: gets what is subscribed to.
        on_lost: called once, in the connection's own thread, when it has been lost.

    Raises:
        ConnectError: with the reason in plain words.

    Attributes:
        lost: whether it has ended.
        refused: filters and topics that the broker refused, with its reason.
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
        self._client = self._make_client(options, broker, password, tls, client_id)
        if will is not None:
            self._client.will_set(will.topic, will.payload, will.qos, will.retain)
        self._open(options, broker, has_password=password is not None)

    def _make_client(
        self, options: MqttOptions, broker: Broker, password: str | None, tls: ssl.SSLContext | None, client_id: str
    ) -> Client:
        from paho.mqtt.client import Client, MQTTv5, MQTTv311  # noqa: PLC0415
        from paho.mqtt.enums import CallbackAPIVersion  # noqa: PLC0415

        five = options.protocol == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=None if five else True,
            protocol=MQTTv5 if five else MQTTv311,
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
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        return client

    def _open(self, options: MqttOptions, broker: Broker, *, has_password: bool) -> None:
        more: dict[str, Any] = {}
        if self._five:
            more = {"clean_start": True, "properties": _properties("CONNECT", MaximumPacketSize=LARGEST)}
        try:
            self._client.connect(broker.host, broker.port, options.keepalive, **more)
            self._take_hold()
        except Exception as error:
            if not isinstance(error, OSError | ValueError):  # a broken answer on websockets is one
                raise
            raise ConnectError(explain(error, broker)) from None
        self._client.loop_start()
        with self._changed:
            self._changed.wait_for(lambda: self._answer is not None or self.lost, CONNECT_SECONDS)
            answer, lost = self._answer, self.lost
        if answer is not None and not answer.is_failure and not lost:
            return
        self.abort()
        if answer is not None and answer.is_failure:
            raise ConnectError(explain_refusal(answer, broker, options.protocol, has_password=has_password))
        if lost:
            raise ConnectError(f"ends the connection at once; does it speak MQTT {options.protocol} on this port?")
        raise ConnectError(f"takes the connection, but does not answer within {CONNECT_SECONDS:g} s")

    def _take_hold(self) -> None:
        """Keep the TCP socket within reach, under TLS and websockets too."""
        wrapped = self._client.socket()
        if wrapped is None:  # pragma: no cover - only paho's own thread, not started yet, takes it away
            return
        self._raw = socket.socket(fileno=os.dup(wrapped.fileno()))
        # A detection is two short messages; the second must not wait until the first is acknowledged.
        self._raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def subscribe(self, filters: Sequence[str], *, deadline: float) -> None:
        """Subscribe at QoS 1 and wait for the answer; what the broker refuses is in :attr:`refused` then.

        Raises:
            PublishError: the connection was lost, or the broker did not answer in time.
        """
        from paho.mqtt.subscribeoptions import SubscribeOptions  # noqa: PLC0415

        wanted: list[Any] = [(name, SubscribeOptions(qos=1) if self._five else 1) for name in filters]
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

    def publish(self, messages: Sequence[Message], *, deadline: float, expire: bool = False) -> None:
        """Publish messages and wait until the broker has confirmed each; not confirmed in time, the connection ends.

        Args:
            messages: in this order.
            deadline: on the clock of :func:`time.monotonic`.
            expire: tell the broker (MQTT 5) that they are of no use to subscribers after the deadline.

        Raises:
            NotSentError: the connection was lost before.
            UnconfirmedError: it was lost meanwhile, or the time was over; they may have arrived.
            PublishError: the broker refuses one.
        """
        properties = None
        if expire and self._five:
            properties = _properties("PUBLISH", MessageExpiryInterval=max(1, int(_left(deadline))))
        mids: dict[int, Message] = {}
        for message in messages:
            payload = message.payload.encode()
            info = self._client.publish(message.topic, payload, message.qos, message.retain, properties)
            # A message that paho could not send stays in this client and goes with it.
            if info.rc != 0:
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
        """Say goodbye, so that the broker keeps the will to itself."""
        self._client.disconnect()
        with self._changed:
            self._changed.wait_for(lambda: self.lost, 1.0)
        self.abort()

    def abort(self) -> None:
        """End the connection at once; whatever waits to be sent, here or in the system, never is."""
        with self._changed:
            raw = self._raw
            if raw is None:
                return
            with suppress(OSError):
                # Closed with linger time 0, a socket forgets what it has not sent; its end is a reset.
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                # Wakes paho's thread, which then closes its own hold on the connection.
                raw.shutdown(socket.SHUT_RD)
            self._changed.wait_for(lambda: self.lost, 2.0)
        self._let_go()

    def _let_go(self) -> None:
        with self._changed:
            raw, self._raw = self._raw, None
            already, self.lost = self.lost, True
            self._changed.notify_all()
        if raw is not None:
            raw.close()
        if not already:
            self._on_lost()
            # The client would hold on to us and we to it, and its sockets would wait for the garbage collector.
            client = self._client
            client.on_connect = client.on_publish = client.on_subscribe = client.on_message = None
            client.on_disconnect = None

    # What follows is called by paho in the connection's own thread.

    def _on_connect(self, _client: object, _data: object, _flags: object, code: ReasonCode, _more: object) -> None:
        with self._changed:
            self._answer = code
            self._changed.notify_all()

    def _on_disconnect(self, *_: object) -> None:
        self._let_go()

    def _on_publish(self, _client: object, _data: object, mid: int, code: ReasonCode, _more: object) -> None:
        with self._changed:
            self._confirmed[mid] = code
            self._changed.notify_all()
            if self._raw is None:
                return
            with suppress(OSError):  # the connection has just ended
                # A broker may hold back the next confirmation until this one is acknowledged, which takes 40 ms.
                self._raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _on_subscribe(
        self, _client: object, _data: object, mid: int, codes: Sequence[ReasonCode], _more: object
    ) -> None:
        with self._changed:
            self._subscribed[mid] = codes
            self._changed.notify_all()

    def _on_message(self, _client: object, _data: object, message: Any) -> None:
        try:
            self._hear(message.topic, message.payload, message.retain)
        except UnicodeDecodeError:  # a topic that is no text is none of ours
            pass
        except Exception:  # noqa: BLE001
            # Raised here it would end the connection's thread, and nobody would notice.
            _log.exception("a message was not understood")


def _properties(packet: str, **values: object) -> Any:
    """Properties of a packet of MQTT 5."""
    from paho.mqtt.packettypes import PacketTypes  # noqa: PLC0415
    from paho.mqtt.properties import Properties  # noqa: PLC0415

    properties = Properties(getattr(PacketTypes, packet))  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def _left(deadline: float) -> float:
    return min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)
