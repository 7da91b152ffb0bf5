"""From a configuration to the parts that it describes, each by itself, and to the service that joins them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

from kws.app.mqtt_observer import MqttObserver
from kws.common.tables import check_known, inside
from kws.config import Config, SourceOptions, config_places
from kws.config.provenance import MODEL
from kws.decision import DecisionSettings, recommended, resolve
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


@dataclass(frozen=True, slots=True)
class Publishers:
    """Those that are asked for, the others None. None of them has begun."""

    command: CommandPublisher | None
    lines: LinePublisher | None
    mqtt: MqttPublisher | None


def load_model(config: Config) -> Model:
    """The model.

    Raises:
        ModelError, UsageError: it cannot be used.
    """
    from kws.inference.model import Model, find_model  # noqa: PLC0415

    return Model(find_model(config.model.name), interpreter=config.model.interpreter, threads=config.model.threads)


def decision_settings(config: Config, source: SourceOptions, description: Description) -> DecisionSettings:
    """Return the decision settings for a source: built-in, the model's, the file's, the source's own, the flags'.

    Raises:
        UsageError: a setting is wrong.
    """
    with config.errors():
        layers = {MODEL: recommended(description), **config.layers(source)}
        return resolve(description.labels, layers)


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
    """What makes a source, anew each time that it is called.

    Raises:
        UsageError: its options cannot be, or do not go together.
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
        hop=hop,
    )
    with config.errors(config.name(source)):
        make()  # options that cannot be are found now, not when listening begins
    return make


def make_publishers(config: Config, source: SourceOptions, model: Model) -> Publishers:
    """The publishers of what a source hears, by themselves: to see whether they can be.

    Raises:
        UsageError: an option cannot be, or there is no publisher at all.
    """
    publisher_names(config)
    lines = None if config.stdout is None else LinePublisher(config.stdout)
    return Publishers(make_command(config, model), lines, make_mqtt(config, source, model))


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


def make_command(config: Config, model: Model) -> CommandPublisher | None:
    """What runs commands, where that is asked for.

    Raises:
        UsageError: an option cannot be.
    """
    if config.exec is None:
        return None
    with config.errors("exec"):
        with inside("commands"):
            check_known(config.exec.commands, model.description.keywords, "keyword of this model")
        return CommandPublisher(config.exec)


def make_mqtt(
    config: Config, source: SourceOptions, model: Model, on_command: Callable[[Request], None] = lambda _: None
) -> MqttPublisher | None:
    """What publishes over MQTT what a source hears, where that is asked for; it has not begun.

    Args:
        config: as read.
        source: one of its sources.
        model: whose keywords are published.
        on_command: gets requests that come by way of MQTT.

    Raises:
        UsageError: an option cannot be.
    """
    options, home_assistant, hermes = config.publishing(source)
    if options is None:
        return None
    with config.errors("mqtt"):
        return MqttPublisher(
            options,
            keywords=model.description.keywords,
            model=model.name,
            model_version=model.description.version,
            on_command=on_command,
            home_assistant=home_assistant,
            hermes_options=hermes,
        )


class Assembly:
    """Makes plans for the service of one configuration after the other, and keeps what stays the same.

    A publisher whose settings are the same goes on: its connection stays up, and its counts are not forgotten.
    """

    def __init__(self) -> None:
        self._workers: list[tuple[object, PublisherWorker]] = []  # with what each was made of
        self._inboxes: dict[str, Inbox] = {}

    def plan(self, config: Config) -> Plan:
        """What a configuration comes to; the model is loaded, nothing is opened or connected yet.

        Raises:
            UsageError, ModelError: something in it cannot be; the plan before stays as it is.
        """
        model = load_model(config)
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
        return Plan(places=places, workers=[worker for _, worker in workers], retired=retired)

    def _place(
        self, config: Config, source: SourceOptions, model: Model, workers: list[tuple[object, PublisherWorker]]
    ) -> Place:
        pipeline = make_pipeline(config, source, model)
        make_source, key = service_source(config, source, hop=pipeline.settings.hop)
        options, *others = config.publishing(source)
        site = site_name(options) if options else source.site or source.device or source.input or "microphone"
        inbox = self._inboxes.setdefault(str(site), SimpleQueue())
        mine = []

        def add(made_of: object, max_age: float, queue: int, make: Callable[[], Publisher | None]) -> PublisherWorker:
            """The worker that is made of this, an old one where there is one."""
            worker = next((worker for other, worker in (*workers, *self._workers) if other == made_of), None)
            if worker is None:
                publisher = make()
                assert publisher
                worker = PublisherWorker(publisher, max_age=max_age, queue=queue)
            if (made_of, worker) not in workers:
                workers.append((made_of, worker))
            mine.append(worker)
            return worker

        keywords = model.description.keywords
        if config.exec is not None:
            add(("exec", config.exec, keywords), config.exec.max_age, QUEUE, lambda: make_command(config, model))
        if (lines := config.stdout) is not None:
            add(("stdout", lines), MAX_AGE, QUEUE, lambda: LinePublisher(lines))
        mqtt = None
        if options is not None:
            made_of = (
                "mqtt",
                options,
                *others,
                read_password(options),
                model.name,
                model.description.version,
                keywords,
            )
            worker = add(made_of, options.max_age, options.queue, lambda: make_mqtt(config, source, model, inbox.put))
            assert isinstance(worker.publisher, MqttPublisher)
            mqtt = worker.publisher
        setup = Setup(
            site=str(site),
            pipeline=pipeline,
            dispatcher=Dispatcher(mine),
            observer=MqttObserver(mqtt) if mqtt else Observer(),
            inbox=inbox,
            watch=source.watch,
            label=f"{site}: " if len(config.sources) > 1 else "",
        )
        return Place(key=key, make_source=make_source, reopens=source.input is None, setup=setup)


def service_source(config: Config, source: SourceOptions, *, hop: float = 0.1) -> tuple[Callable[[], Source], object]:
    """What makes a source of the service, and what tells whether that of another configuration is the same.

    Args:
        config: as read.
        source: one of its sources.
        hop: see :func:`kws.audio.open_source`.

    Raises:
        UsageError: its options cannot be, or do not go together.
    """
    make = source_maker(config, source)
    key = (
        source.input, source.device, source.channel, source.rate, source.channels, source.sample_format,
        source.watch.stall, source.watch.backlog,
    )  # fmt: skip
    if source.input is not None:
        return make, key
    from kws.audio.recorder import IsolatedMicrophone  # noqa: PLC0415

    microphone = IsolatedMicrophone(
        source.device,
        channel=source.channel,
        rate=source.rate,
        timeout=source.watch.stall,
        buffer=source.watch.backlog,
        hop=hop,
    )
    return lambda: microphone, (*key, hop)


def make_service(read: Callable[[], Config], observer: Observer | None = None) -> Service:
    """The service; nothing is opened or connected yet, but the model is loaded.

    Args:
        read: reads the configuration, now and with each reload.
        observer: is told what happens.

    Raises:
        UsageError, ModelError: something in the configuration cannot be.
    """
    assembly = Assembly()
    return Service(assembly.plan(read()), reload=lambda: assembly.plan(read()), observer=observer)
