"""From a configuration to the parts that it describes, each by itself, and to the service that joins them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from typing import TYPE_CHECKING

from kws.config import Config
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


def load_pipeline(config: Config) -> Pipeline:
    """The model with the settings in force: built-in, the model's, the configuration's.

    Raises:
        ModelError, UsageError: the model cannot be used, or a setting cannot be.
    """
    from kws.model import Model, find_model  # noqa: PLC0415
    from kws.pipeline import Pipeline  # noqa: PLC0415

    model = Model(find_model(config.model.name), interpreter=config.model.interpreter, threads=config.model.threads)
    layers = {"model.json": read_options(model.description.decision, "model.json"), str(config.path): config.decision}
    return Pipeline(model, resolve(model.labels, layers))


def source_maker(config: Config) -> Callable[[], Source]:
    """What makes the source, anew each time that it is called.

    Raises:
        UsageError: its options cannot be, or do not go together.
    """
    from kws.sources import open_source  # noqa: PLC0415

    source = config.source
    make = partial(
        open_source,
        source.input,
        device=source.device,
        channel=source.channel,
        rate=source.rate,
        channels=source.channels,
        sample_format=source.sample_format,
    )
    with _named(config):
        make()  # options that cannot be are found now, not when listening begins
    return make


def make_publishers(config: Config, model: Model, on_command: Callable[[Command], None] = lambda _: None) -> Publishers:
    """The publishers.

    Args:
        config: as read.
        model: whose keywords are published.
        on_command: gets requests that come by way of MQTT.

    Raises:
        UsageError: an option cannot be, or there is no publisher at all.
    """
    if config.mqtt is None and config.stdout is None and config.exec is None:
        raise UsageError(f"{config.path}: nobody would hear of detections; add a table mqtt, exec or stdout")
    command = mqtt = None
    keywords = model.description.keywords
    with _named(config):
        if config.exec is not None:
            check_known(config.exec.commands, keywords, "exec.commands", "keyword of this model")
            command = CommandPublisher(config.exec)
        if config.mqtt is not None:
            mqtt = MqttPublisher(
                config.mqtt,
                keywords=keywords,
                model=model.name,
                model_version=model.description.version,
                on_command=on_command,
                home_assistant=config.home_assistant,
                hermes_options=config.hermes,
            )
    return Publishers(command, None if config.stdout is None else LinePublisher(config.stdout), mqtt)


def make_service(config: Config) -> Service:
    """The service; nothing is opened or connected yet, but the model is loaded.

    Raises:
        UsageError, ModelError: something in the configuration cannot be.
    """
    inbox: Inbox = SimpleQueue()
    pipeline = load_pipeline(config)
    make_source = source_maker(config)
    publishers = make_publishers(config, pipeline.model, inbox.put)
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
        closes=config.source.input is None,
    )


@contextmanager
def _named(config: Config) -> Iterator[None]:
    """Begin what is wrong with an option with the name of the file."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{config.path}: {error}") from None
