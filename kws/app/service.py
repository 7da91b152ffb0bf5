"""The service that a configuration asks for: its publishers, its places, and running it."""

from __future__ import annotations

import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING, cast

from kws.app.build import load_model, make_pipeline, source_maker, wake_word_pipeline
from kws.app.state import StateFile
from kws.audio.url import is_url
from kws.common.heap import share_one_heap
from kws.common.tables import check_known, inside
from kws.config.places import config_places
from kws.config.schema import Config, SourceOptions
from kws.errors import OptionError
from kws.inference.model import Description, Model
from kws.pipeline.requests import Request
from kws.publishers.base import Publisher
from kws.publishers.mqtt.settings import read_password, site_name
from kws.publishers.observer import Observer
from kws.publishers.stdout import LinePublisher
from kws.publishers.worker import MAX_AGE, QUEUE, PublisherWorker
from kws.service.place import Inbox, Place
from kws.service.service import Service

if TYPE_CHECKING:
    from kws.publishers.exec import CommandPublisher
    from kws.publishers.mqtt.publisher import MqttPublisher

#: Seconds that the commands for a recording may take together.
_ALL_DAY_SECONDS = 86400.0


def publisher_names(config: Config) -> list[str]:
    """Return the tables of the publishers that are asked for.

    Raises:
        UsageError: there is none.
    """
    names = [name for name in ("mqtt", "exec", "stdout") if getattr(config, name) is not None]
    if not names:
        path = config.provenance.path
        lost = "" if path else f"; there is no file {' or '.join(map(str, config_places(os.environ)))}"
        with config.errors():
            raise OptionError("", f"detections go nowhere; add a table mqtt, exec or stdout{lost}")
    return names


def make_command(config: Config, description: Description | None) -> CommandPublisher:
    """Return the publisher that runs commands.

    Args:
        config: with a table ``exec``.
        description: of the model, whose keywords may have commands of their own; None to leave that unchecked.

    Raises:
        UsageError: an option is wrong.
    """
    from kws.publishers.exec import CommandPublisher  # noqa: PLC0415 - few services run commands

    assert config.exec
    with config.errors("exec"):
        if description:
            with inside("commands"):
                check_known(config.exec.commands, description.keywords, "keyword of this model")
        return CommandPublisher(config.exec)


def make_mqtt(
    config: Config,
    source: SourceOptions,
    description: Description,
    keywords: Sequence[str],
    on_command: Callable[[Request], None] = lambda _: None,
    *,
    gated: bool = False,
) -> MqttPublisher:
    """Return the MQTT publisher for a source; nothing is connected yet.

    Args:
        config: with a table ``mqtt``.
        source: one of its sources.
        description: of the model.
        keywords: that are listened for, and published.
        on_command: gets the requests that come over MQTT.
        gated: True if the source has a gate.

    Raises:
        UsageError: an option is wrong.
    """
    from kws.publishers.mqtt.publisher import MqttPublisher  # noqa: PLC0415 - it takes a twentieth of the start

    options, home_assistant, hermes = config.publishing(source)
    assert options
    with config.errors("mqtt"):
        return MqttPublisher(
            options,
            keywords=keywords,
            model=description.name,
            model_version=description.version,
            on_command=on_command,
            home_assistant=home_assistant,
            hermes_options=hermes,
            gated=gated,
        )


class Composition:
    """Makes the places of a service from one configuration after the other.

    Publishers whose settings stay the same stay too: the connection stays up, and the counts go on.

    Args:
        once: each source is opened once, and one that fails ends the service; no detection in a recording is too old
            for its command; and standard output is left to the caller. ``kws listen`` works so.
        state: keeps over restarts what is set over MQTT; None to forget it.
    """

    def __init__(self, *, once: bool = False, state: StateFile | None = None) -> None:
        self._once = once
        self._state = state
        self._workers: dict[str, PublisherWorker] = {}  # by the settings that they were made of
        self._inboxes: dict[str, Inbox] = {}

    def places(self, config: Config) -> list[Place]:
        """Return the places of a configuration: the model is loaded, nothing is opened or connected yet.

        Raises:
            UsageError, ModelError: something in it is wrong; what was made before stays in use.
        """
        model = load_model(config)
        if not self._once:
            publisher_names(config)
        if config.wyoming:
            wake_word_pipeline(config, model)
        workers: dict[str, PublisherWorker] = {}
        places = [self._place(config, source, model, workers) for source in config.sources]
        self._workers = workers
        return places

    def _place(self, config: Config, source: SourceOptions, model: Model, workers: dict[str, PublisherWorker]) -> Place:
        pipeline = make_pipeline(config, source, model)
        description, settings = model.description, pipeline.settings
        reopens = not self._once and (source.input is None or is_url(source.input))
        make_source = source_maker(config, source, hop=settings.hop, reopens=reopens)
        mqtt, *others = config.publishing(source)
        site = str(
            site_name(mqtt)
            if mqtt
            else source.site or source.device or source.wyoming or source.input_shown or "microphone"
        )
        inbox = self._inboxes.setdefault(site, SimpleQueue())
        recording = self._once and not make_source().live
        mine: list[PublisherWorker] = []

        def add(made_of: object, make: Callable[[], Publisher], max_age: float = MAX_AGE, queue: int = QUEUE) -> None:
            """Add the worker that is made of these settings, which may be there already."""
            key = repr(made_of)
            worker = workers.get(key) or self._workers.get(key)
            if worker is None:
                worker = PublisherWorker(make(), max_age=max_age, queue=sys.maxsize if recording else queue)
            workers[key] = worker
            mine.append(worker)

        if config.exec is not None:
            made_of = (config.exec, description.keywords)
            add(made_of, lambda: make_command(config, description), math.inf if recording else config.exec.max_age)
        if (lines := config.stdout) is not None and not self._once:
            add(lines, lambda: LinePublisher(lines))
        observer, arbiter = Observer(), None
        requests: tuple[Request, ...] = ()
        obey = partial(self._obey, site, inbox)
        if self._state and (mqtt or config.monitor):
            requests = self._state.requests(site, settings)
        if mqtt is not None:
            with config.errors("mqtt"):
                password = read_password(mqtt)
            gated = settings.gate is not None
            add(
                (mqtt, others, password, description.name, description.version, settings.listened, gated),
                lambda: make_mqtt(config, source, description, settings.listened, obey, gated=gated),
                mqtt.max_age,
                mqtt.queue,
            )
            publisher = cast("MqttPublisher", mine[-1].publisher)
            observer, arbiter = publisher, publisher.arbiter
        return Place(
            site=site,
            key=(make_source.args, make_source.keywords),
            make_source=make_source,
            reopens=reopens,
            pipeline=pipeline,
            workers=tuple(mine),
            arbiter=arbiter,
            observer=observer,
            inbox=inbox,
            obey=obey,
            requests=requests,
            watch=source.watch,
            label=f"{site}: " if len(config.sources) > 1 else "",
        )

    def _obey(self, site: str, inbox: Inbox, request: Request) -> None:
        """Hand a request to the listener, then keep it."""
        inbox.put(request)
        if self._state:
            self._state.remember(site, request)


def make_service(
    read: Callable[[], Config], observer: Observer | None = None, *, once: bool = False, state: StateFile | None = None
) -> Service:
    """Return the service: the model is loaded, nothing is opened or connected yet.

    Args:
        read: reads the configuration, now and with each reload.
        observer: gets the events.
        once: see :class:`Composition`; there is no reload then.
        state: likewise.

    Raises:
        UsageError, ModelError: something in the configuration is wrong.
    """
    composition = Composition(once=once, state=state)

    def places() -> list[Place]:
        return composition.places(read())

    drain_seconds = _ALL_DAY_SECONDS if once else MAX_AGE
    return Service(places(), reload=None if once else places, observer=observer, drain_seconds=drain_seconds)


def run_service(service: Service, config: Callable[[], Config], *, reloads: bool = False) -> int:
    """Run a service. SIGINT and SIGTERM end it.

    Args:
        service: not started yet.
        config: returns the configuration in force.
        reloads: SIGHUP has it read its configuration again.

    Returns:
        The signal that ended the service, or 0.

    Raises:
        KwsError: a source has failed, see :meth:`~kws.service.service.Service.run`.
    """
    share_one_heap()
    ended = 0

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal ended
        if number == signal.SIGHUP:
            service.reload()
            return
        if ended or not service.listeners:  # it is waiting for publishers
            raise KeyboardInterrupt
        ended = number
        service.stop()

    numbers = [signal.SIGINT, signal.SIGTERM] + [signal.SIGHUP] * reloads
    previous = {number: signal.signal(number, handle) for number in numbers}
    try:
        with config().errors("source"):
            service.run()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return ended
