"""Detections over MQTT, and with them status, state, health, discovery and control."""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from kws import __version__
from kws.common.backoff import Backoff
from kws.pipeline.requests import Request
from kws.publishers.base import PublishError, UnconfirmedError, UnreachableError
from kws.publishers.formats import as_json, near_miss_fields
from kws.publishers.health import HealthReport
from kws.publishers.mqtt import control, hermes, homeassistant, topics
from kws.publishers.mqtt.arbitration import Arbiter, Claim
from kws.publishers.mqtt.hermes import HermesOptions
from kws.publishers.mqtt.homeassistant import HomeAssistantOptions
from kws.publishers.mqtt.link import Link
from kws.publishers.mqtt.session import NotSentError, Session
from kws.publishers.mqtt.settings import MqttOptions, exposed_files, parse_broker, read_password, site_name
from kws.publishers.mqtt.tls import make_tls
from kws.publishers.mqtt.topics import OFFLINE, ONLINE, Message, Topics
from kws.publishers.observer import Observer
from kws.types import Detection

if TYPE_CHECKING:
    from kws.decision import NearMiss

_log = logging.getLogger(__name__)

#: Seconds that the broker has to confirm messages other than detections.
_CONFIRM_SECONDS = 10.0

#: Seconds of a detection's maximum age that are kept for its confirmation; seconds for the farewell.
_RESERVE_SECONDS = 1.0

#: The broker discards a health that is not renewed for this long: it is renewed each minute.
HEALTH_EXPIRY_SECONDS = 180

#: The maximum age of detections that are never late, on their way to subscribers.
_LONGEST_EXPIRY_SECONDS = 3600


class MqttPublisher(Observer):
    """Publishes detections and, as an observer of their source, its state, over a connection that it keeps up.

    Args:
        options: the broker, the site and the limits.
        keywords: of the model.
        model, model_version: the name and the version of the model.
        on_command: gets the requests of others, in the connection's thread; must not block. None takes no requests.
        home_assistant: None for no discovery.
        hermes_options: None for no Hermes.
        gated: True if the site has a gate, whose state is then shown.
        backoff: between attempts to connect.

    Raises:
        OptionError: an option is wrong, or a file that it names cannot be read.

    Attributes:
        topics: of the site.
        arbiter: asks the other microphones of the group before a detection is published; None without a group.
    """

    def __init__(
        self,
        options: MqttOptions,
        *,
        keywords: Sequence[str],
        model: str,
        model_version: str = "",
        on_command: Callable[[Request], None] | None = None,
        home_assistant: HomeAssistantOptions | None = None,
        hermes_options: HermesOptions | None = None,
        gated: bool = False,
        backoff: Backoff | None = None,
    ) -> None:
        self._options = options
        self._broker = parse_broker(options)
        self._password = read_password(options)
        for problem in exposed_files(options):
            _log.warning("%s", problem)
        self._tls = make_tls(options, self._broker)
        self.topics = Topics(options.prefix, site_name(options))
        self.name = str(self._broker)
        self._model_version = model_version
        self._on_command = on_command
        self._home_assistant = home_assistant if home_assistant and home_assistant.discovery else None
        self._discovery: list[Message] = []
        if announced := self._home_assistant:
            self._discovery = homeassistant.discovery(
                announced, self.topics, keywords, model=model, version=__version__, gated=gated
            )
        self._hermes_site = None
        if hermes_options and hermes_options.enabled:
            self._hermes_site = hermes_options.site or self.topics.site
        self._requests = control.Requests(self.topics, keywords, self._hermes_site)
        self._shown = {
            self.topics.state(of(keyword)) for keyword in keywords for of in (topics.threshold, topics.switch)
        }
        if gated:
            self._shown.add(self.topics.gate)
        self._available = True
        self._thresholds: dict[str, float] = {}
        self._instance = secrets.token_hex(4)
        self._lock = threading.Lock()
        self._state: dict[str, Message] = {}  # retained messages by topic, without status and discovery
        self._pending: dict[str, Message] = {}  # to be sent: the newest message of each topic
        self._others: dict[str, str] = {}  # other services of this site: where they run, by instance
        self._health: HealthReport | None = None
        self._claims = options.arbitration and self.topics.claim(options.arbitration)
        self.arbiter: Arbiter | None = None
        if self._claims:
            self.arbiter = Arbiter(
                self.name, site=self.topics.site, instance=self._instance, window=options.arbitration_window,
                send=self._claim,
            )  # fmt: skip
        self._link = Link(
            self.name,
            connect=self._connect,
            serve=self._serve,
            farewell=self._say_farewell,
            backoff=backoff or Backoff(),
        )
        if on_command:  # a service: its first health replaces what the broker retains of an earlier run
            self.health(
                self.topics.site,
                HealthReport(listening=False, trouble="no sound yet", model=model, version=__version__),
            )

    def started(self, site: str) -> None:  # noqa: ARG002 - each source has a publisher of its own
        """Begin to connect in the background; calling it again does nothing."""
        self._link.start()

    @property
    def connected(self) -> bool:
        return self._link.connected

    @property
    def others(self) -> tuple[str, ...]:
        """The places where other services with the same site run."""
        with self._lock:
            return tuple(self._others.values())

    def publish(self, detection: Detection, deadline: float) -> None:
        """Publish a detection and wait until the broker has confirmed it."""
        payload = as_json(detection)
        messages = [Message(self.topics.detection(keyword), payload) for keyword in (None, detection.keyword)]
        if self._hermes_site is not None:
            threshold = self._thresholds.get(detection.keyword, 0.5)
            messages.append(
                hermes.detected(detection, site=self._hermes_site, version=self._model_version, threshold=threshold)
            )
        # A detection without time for its confirmation would cost the connection.
        last = deadline - min(_RESERVE_SECONDS, self._options.max_age / 4)
        while (session := self._link.session(last)) is not None and time.monotonic() < last:
            expiry = max(1, int(min(deadline - time.monotonic(), _LONGEST_EXPIRY_SECONDS)))
            try:
                session.publish([replace(one, expiry_seconds=expiry) for one in messages], deadline=deadline)
            except NotSentError:
                continue
            return
        raise UnreachableError("the broker could not be reached in time")

    def listening(self, site: str, *, on: bool) -> None:  # noqa: ARG002
        self._show(Message(self.topics.state(topics.LISTENING), control.ON if on else control.OFF, retain=True))

    def threshold(self, site: str, keyword: str, threshold: float) -> None:  # noqa: ARG002
        self._thresholds[keyword] = threshold
        self._show(Message(self.topics.state(topics.threshold(keyword)), f"{threshold:.4g}", retain=True))

    def keyword(self, site: str, keyword: str, *, on: bool) -> None:  # noqa: ARG002
        self._show(Message(self.topics.state(topics.switch(keyword)), control.ON if on else control.OFF, retain=True))

    def gate(self, site: str, wake_word: str | None) -> None:  # noqa: ARG002
        self._show(Message(self.topics.gate, "closed" if wake_word is None else f"open {wake_word}", retain=True))

    def near_miss(self, site: str, miss: NearMiss, sample_rate: int) -> None:  # noqa: ARG002
        """Publish a near miss now, if it is asked for and there is a connection; it is never sent later."""
        if self._options.near_misses:
            self._send_now(Message(self.topics.near_miss, json.dumps(near_miss_fields(miss, sample_rate)), qos=0))

    def _claim(self, claim: Claim) -> bool:
        """Publish a claim now; return False without a connection."""
        return self._send_now(Message(self._claims or "", msgspec.json.encode(claim).decode()))

    def available(self, site: str, *, available: bool) -> None:  # noqa: ARG002
        with self._lock:
            self._available = available
        self._send(self._status())

    def health(self, site: str, report: HealthReport) -> None:  # noqa: ARG002
        self._health = report
        self._show(self._health_message(report))

    def _health_message(self, report: HealthReport) -> Message:
        text = json.dumps({**report.as_dict(), "other_instances": self.others}, ensure_ascii=False)
        return Message(self.topics.health, text, qos=0, retain=True, expiry_seconds=HEALTH_EXPIRY_SECONDS)

    def close(self) -> None:
        """Publish that the site is offline, and disconnect."""
        self._link.close()

    def _show(self, message: Message) -> None:
        """Publish a retained message now, and again with each new connection."""
        with self._lock:
            self._state[message.topic] = message
        self._send(message)

    def _send(self, *messages: Message) -> None:
        """Have the link's thread send messages. Without a connection only those in ``_state`` are sent later."""
        with self._lock:
            self._pending.update((message.topic, message) for message in messages)
        self._link.wake()

    def _send_now(self, message: Message) -> bool:
        """Have the link's thread send a message; return False without a connection: then it is never sent."""
        if not self.connected:
            return False
        with self._lock:
            self._pending[f"{message.topic}#{message.payload}"] = message
        self._link.wake()
        return True

    # Called in the link's thread.

    def _connect(self) -> Session:
        return Session(
            self._options,
            self._broker,
            password=self._password,
            tls=self._tls,
            # Unique for each process: two clients of one name would disconnect each other for ever.
            client_id=f"kws-{self.topics.site[:10]}-{self._instance}",
            will=Message(self.topics.status, OFFLINE, retain=True),
            hear=self._hear,
            on_lost=self._link.wake,
        )

    def _serve(self, session: Session, fresh: bool) -> None:
        if fresh:
            with self._lock:
                self._pending.clear()
            requests = self._requests.filters if self._on_command else []
            deadline = time.monotonic() + _CONFIRM_SECONDS
            session.subscribe([*self._filters(), *requests], requests=requests, deadline=deadline)
            for refusal in session.refused:
                _log.warning("%s: the broker refuses us %s", self.name, refusal)
        with self._lock:
            messages = list(self._pending.values())
            self._pending.clear()
            if fresh:
                stale = (*self._state, self.topics.near_miss, self._claims)
                answers = [one for one in messages if one.topic not in stale]
                messages = [*self._discovery, *self._state.values(), *answers, self._hello(), self._status()]
        try:
            session.publish(messages, deadline=time.monotonic() + _CONFIRM_SECONDS)
        except (NotSentError, UnconfirmedError):
            raise
        except PublishError as error:
            _log.warning("%s: %s", self.name, error)

    def _say_farewell(self, session: Session) -> None:
        messages = [Message(self.topics.status, OFFLINE, retain=True)]
        if self._health:
            messages.append(self._health_message(replace(self._health, source=None, trouble="the service has ended")))
        session.publish(messages, deadline=time.monotonic() + _RESERVE_SECONDS)

    def _filters(self) -> list[str]:
        states = [self.topics.state(f"{kind}/+") for kind in ("threshold", "keyword")]
        birth = [self._home_assistant.birth_topic] if self._home_assistant else []
        claims = [self._claims] if self._claims else []
        return [self.topics.status, self.topics.instance, self.topics.gate, *states, *birth, *claims]

    def _status(self) -> Message:
        return Message(self.topics.status, ONLINE if self._available else OFFLINE, retain=True)

    def _hello(self) -> Message:
        where = f"{socket.gethostname()}, process {os.getpid()}"
        return Message(self.topics.instance, json.dumps({"instance": self._instance, "where": where}))

    # Called in the connection's thread; nothing here may block.

    def _hear(self, topic: str, payload: bytes, retained: bool) -> None:
        if topic == self.topics.status:
            # Another service of this site ended, or the broker published the will of an earlier connection.
            if payload == OFFLINE.encode() and not retained and self.connected and self._available:
                self._send(self._status())
        elif topic == self.topics.instance:
            self._meet(payload)
        elif self.arbiter and topic == self._claims:
            if not retained:
                self.arbiter.hear(payload)
        elif topic == self.topics.gate or topic.startswith(self.topics.state("")):
            if retained and topic not in self._shown:  # of an earlier model or configuration
                self._send(Message(topic, "", retain=True))
        elif self._home_assistant and topic == self._home_assistant.birth_topic:
            self._welcome(payload, retained=retained)
        else:
            self._control(topic, payload, retained=retained)

    def _welcome(self, payload: bytes, *, retained: bool) -> None:
        """Publish discovery and state again when Home Assistant has started."""
        if payload == homeassistant.BIRTH.encode() and not retained:
            with self._lock:
                state = tuple(self._state.values())
            self._send(*self._discovery, *state, self._status())

    def _control(self, topic: str, payload: bytes, *, retained: bool) -> None:
        try:
            request = self._requests.read(topic, payload, retained=retained)
        except control.ControlError as error:
            _log.warning("%s: refused on %s: %s", self.name, _printable(topic), error)
        else:
            if request is not None and self._on_command is not None:
                self._on_command(request)

    def _meet(self, payload: bytes) -> None:
        """Note another service of this site that says hello, and answer it once."""
        try:
            fields = json.loads(payload[:1000])
            instance, where = str(fields["instance"])[:40], _printable(str(fields["where"]))
        except (ValueError, LookupError, TypeError, RecursionError):
            return
        with self._lock:
            if instance == self._instance or instance in self._others or len(self._others) >= 100:
                return
            self._others[instance] = where
        _log.warning(
            '%s: another kws (%s) uses the site "%s" too; give each a site of its own (mqtt.site)',
            self.name, where, self.topics.site,
        )  # fmt: skip
        self._send(self._hello())
        if self._health is not None:
            self.health(self.topics.site, self._health)


def _printable(text: str) -> str:
    """Return the beginning of a text from outside, safe for one line of the log."""
    return "".join(character if character.isprintable() else "?" for character in text[:80])
