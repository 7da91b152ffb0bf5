"""From a configuration to the parts that it describes, each by itself, and to the service that joins them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

from kws.config import Config, SourceOptions
from kws.decision import read_options, resolve
from kws.errors import UsageError
from kws.publishers import CommandPublisher, Dispatcher, Lane, LinePublisher
from kws.publishers.mqtt import Command, MqttPublisher
from kws.service import Inbox, Service
from kws.tables import check_known

if TYPE_CHECKING:
    from kws.model import Model
    from kws.pipeline import Pipeline
    from kws.sources import Source


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
    from kws.model import Model, find_model  # noqa: PLC0415

    return Model(find_model(config.model.name), interpreter=config.model.interpreter, threads=config.model.threads)


def make_pipeline(config: Config, source: SourceOptions, model: Model) -> Pipeline:
    """What decides for a source, by the settings in force: built-in, the model's, the file's, the source's own.

    Raises:
        UsageError: a setting cannot be.
    """
    from kws.pipeline import Pipeline  # noqa: PLC0415

    layers = {"model.json": read_options(model.description.decision, "model.json"), **config.layers(source)}
    return Pipeline(model, resolve(model.labels, layers))


def source_maker(config: Config, source: SourceOptions) -> Callable[[], Source]:
    """What makes a source, anew each time that it is called.

    Raises:
        UsageError: its options cannot be, or do not go together.
    """
    from kws.sources import open_source  # noqa: PLC0415

    make = partial(
        open_source,
        source.input,
        device=source.device,
        channel=source.channel,
        rate=source.rate,
        channels=source.channels,
        sample_format=source.sample_format,
    )
    with _named(config.place(source)):
        make()  # options that cannot be are found now, not when listening begins
    return make


def make_publishers(
    config: Config, source: SourceOptions, model: Model, on_command: Callable[[Command], None] = lambda _: None
) -> Publishers:
    """The publishers of what a source hears.

    Args:
        config: as read.
        source: one of its sources.
        model: whose keywords are published.
        on_command: gets requests that come by way of MQTT.

    Raises:
        UsageError: an option cannot be, or there is no publisher at all.
    """
    if config.mqtt is None and config.stdout is None and config.exec is None:
        raise UsageError(f"{config.path}: nobody would hear of detections; add a table mqtt, exec or stdout")
    command = mqtt = None
    keywords = model.description.keywords
    options, home_assistant, hermes = config.publishing(source)
    with _named(str(config.path)):
        if config.exec is not None:
            check_known(config.exec.commands, keywords, "exec.commands", "keyword of this model")
            command = CommandPublisher(config.exec)
        if options is not None:
            mqtt = MqttPublisher(
                options,
                keywords=keywords,
                model=model.name,
                model_version=model.description.version,
                on_command=on_command,
                home_assistant=home_assistant,
                hermes_options=hermes,
            )
    return Publishers(command, None if config.stdout is None else LinePublisher(config.stdout), mqtt)


def make_service(config: Config) -> Service:
    """The service; nothing is opened or connected yet, but the model is loaded.

    Raises:
        UsageError, ModelError: something in the configuration cannot be.
    """
    if len(config.sources) > 1:
        raise UsageError(f"{config.path}: source: only one is heard so far")
    (source,) = config.sources
    inbox: Inbox = SimpleQueue()
    model = load_model(config)
    pipeline = make_pipeline(config, source, model)
    make_source = source_maker(config, source)
    publishers = make_publishers(config, source, model, inbox.put)
    lanes = []
    if publishers.command is not None and config.exec is not None:
        lanes.append(Lane(publishers.command, max_age=config.exec.max_age))
    if publishers.lines is not None:
        lanes.append(Lane(publishers.lines))
    if publishers.mqtt is not None and config.mqtt is not None:
        lanes.append(Lane(publishers.mqtt, max_age=config.mqtt.max_age, queue=config.mqtt.queue))
    return Service(
        make_source,
        pipeline,
        Dispatcher(lanes),
        mqtt=publishers.mqtt,
        inbox=inbox,
        closes=source.input is None,
    )


@contextmanager
def _named(place: str) -> Iterator[None]:
    """Begin what is wrong with an option with the place where it is written."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{place}: {error}") from None
