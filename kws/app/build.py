"""The composition root: builds the parts that a configuration names, and the service that joins them."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

from kws.app.mqtt_observer import MqttObserver
from kws.app.state import StateFile
from kws.common.tables import check_known, inside
from kws.config import Config, SourceOptions, config_places
from kws.decision import DecisionSettings, resolve
from kws.errors import OptionError
from kws.pipeline.requests import Request
from kws.publishers import CommandPublisher, Dispatcher, LinePublisher, Publisher, PublisherWorker
from kws.publishers.dispatcher import MAX_AGE, QUEUE
from kws.publishers.mqtt import MqttPublisher
from kws.publishers.mqtt.settings import read_password, site_name
from kws.service import Inbox, Observer, Place, Plan, Service, Setup

if TYPE_CHECKING:
    from kws.audio.source import Source
    from kws.inference.model import Description, Model
    from kws.pipeline.pipeline import Pipeline

#: Seconds that the commands for a recording may take together.
_ALL_DAY_SECONDS = 86400.0


def load_model(config: Config) -> Model:
    """Load the model.

    Raises:
        ModelError, UsageError: it cannot be used.
    """
    from kws.inference.model import Model, find_model  # noqa: PLC0415

    with config.errors("model"):
        return Model(find_model(config.model.name), interpreter=config.model.interpreter, threads=config.model.threads)


def decision_settings(config: Config, source: SourceOptions, description: Description) -> DecisionSettings:
    """Return the decision settings for a source: built-in, the model's, the file's, the source's own, the flags'.

    Raises:
        UsageError: a setting is wrong.
    """
    with config.errors():
        return resolve(description.labels, config.layers_over(description, source))


def make_pipeline(config: Config, source: SourceOptions, model: Model) -> Pipeline:
    """Return the pipeline for a source.

    Raises:
        UsageError: a setting is wrong.
    """
    from kws.pipeline.pipeline import Pipeline  # noqa: PLC0415

    settings = decision_settings(config, source, model.description)
    mqtt, *_ = config.publishing(source)
    with config.errors("mqtt"):
        site = source.site if mqtt is None else site_name(mqtt)
    with config.errors("decision"):
        return Pipeline(model, settings, site=site, skip_silence=config.model.skip_silence)


def source_maker(config: Config, source: SourceOptions, *, hop: float = 0.1) -> Callable[[], Source]:
    """Return a function that makes the source, called each time that it is opened.

    Args:
        config: as read.
        source: one of its sources.
        hop: seconds between windows, see :func:`kws.audio.open.open_source`.

    Raises:
        UsageError: an option is wrong, or two do not go together.
    """
    from kws.audio.open import open_source  # noqa: PLC0415

    make = partial(
        open_source,
        source.input,
        device=source.device,
        channel=source.channel,
        rate=source.rate,
        channels=source.channels,
        sample_format=source.sample_format,
        timeout=source.watch.stall,
        buffer=source.watch.backlog,
        hop=hop,
    )
    with config.errors(config.name(source)):
        make()  # wrong options are found now, not when listening begins
    return make


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
) -> MqttPublisher:
    """Return the MQTT publisher for a source; nothing is connected yet.

    Args:
        config: with a table ``mqtt``.
        source: one of its sources.
        description: of the model.
        keywords: that are listened for, and published.
        on_command: gets the requests that come over MQTT.

    Raises:
        UsageError: an option is wrong.
    """
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
        )


class Composition:
    """Builds a plan for one configuration after the other. Parts whose settings stay the same stay too.

    So the connection of a publisher stays up, and its counts go on.

    Args:
        once: each source is opened once, and one that fails ends the service; no detection in a recording is too old
            for its command; and standard output is left to the caller. ``kws listen`` works so.
        state: keeps over restarts what is set over MQTT; None to forget it.
    """

    def __init__(self, *, once: bool = False, state: StateFile | None = None) -> None:
        self._once = once
        self._state = state
        self._workers: list[tuple[object, PublisherWorker]] = []  # each with the settings that it was made of
        self._inboxes: dict[str, Inbox] = {}

    def plan(self, config: Config) -> Plan:
        """Return the plan for a configuration: the model is loaded, nothing is opened or connected yet.

        Raises:
            UsageError, ModelError: something in it is wrong; the parts of the plan before stay as they are.
        """
        model = load_model(config)
        if not self._once:
            publisher_names(config)
        workers: list[tuple[object, PublisherWorker]] = []
        try:
            places = [self._place(config, source, model, workers) for source in config.sources]
        except BaseException:
            Dispatcher([worker for made in workers if made not in self._workers for worker in made[1:]]).close(
                timeout=0
            )
            raise
        retired = [worker for made in self._workers if made not in workers for worker in made[1:]]
        self._workers = workers
        return Plan(
            places=places,
            workers=[worker for _, worker in workers],
            retired=retired,
            drain_seconds=_ALL_DAY_SECONDS if self._once else MAX_AGE,
        )

    def _place(
        self, config: Config, source: SourceOptions, model: Model, workers: list[tuple[object, PublisherWorker]]
    ) -> Place:
        pipeline = make_pipeline(config, source, model)
        hop, description = pipeline.settings.hop, model.description
        make_source = source_maker(config, source, hop=hop)
        options, *others = config.publishing(source)
        site = site_name(options) if options else source.site or source.device or source.input or "microphone"
        inbox = self._inboxes.setdefault(str(site), SimpleQueue())
        recording = self._once and not make_source().live
        mine = []

        def add(made_of: object, make: Callable[[], Publisher], max_age: float = MAX_AGE, queue: int = QUEUE) -> None:
            """Add the worker that is made of these settings, which may be there already."""
            worker = next((worker for other, worker in (*workers, *self._workers) if other == made_of), None)
            if worker is None:
                worker = PublisherWorker(make(), max_age=max_age, queue=sys.maxsize if recording else queue)
            if (made_of, worker) not in workers:
                workers.append((made_of, worker))
            mine.append(worker)

        if config.exec is not None:
            max_age = math.inf if recording else config.exec.max_age
            made_of = ("exec", config.exec, description.keywords)
            add(made_of, lambda: make_command(config, description), max_age)
        if (lines := config.stdout) is not None and not self._once:
            add(("stdout", lines), lambda: LinePublisher(lines))
        observer = Observer()
        requests: tuple[Request, ...] = ()
        if options is not None:
            keywords = pipeline.settings.listened
            about = (description.name, description.version, keywords)
            with config.errors("mqtt"):
                password = read_password(options)
            add(
                ("mqtt", options, *others, password, *about),
                lambda: make_mqtt(config, source, description, keywords, partial(self._obey, str(site), inbox)),
                options.max_age,
                options.queue,
            )
            publisher = mine[-1].publisher
            assert isinstance(publisher, MqttPublisher)
            observer = MqttObserver(publisher)
            if self._state:
                requests = self._state.requests(str(site), pipeline.settings)
        setup = Setup(
            site=str(site),
            pipeline=pipeline,
            dispatcher=Dispatcher(mine),
            observer=observer,
            inbox=inbox,
            requests=requests,
            watch=source.watch,
            label=f"{site}: " if len(config.sources) > 1 else "",
        )
        key = (
            source.input, source.device, source.channel, source.rate, source.channels, source.sample_format,
            source.watch.stall, source.watch.backlog, source.input is None and hop,
        )  # fmt: skip
        reopens = source.input is None and not self._once
        return Place(key=key, make_source=make_source, reopens=reopens, setup=setup)

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
    reload = None if once else lambda: composition.plan(read())
    return Service(composition.plan(read()), reload=reload, observer=observer)
