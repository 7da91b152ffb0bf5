"""The composition root: builds the parts that a configuration names, and the service that joins them."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from msgspec.structs import replace

from kws.app.state import StateFile
from kws.audio.gain import amplified
from kws.audio.open import open_source
from kws.audio.source import Source
from kws.audio.url import is_url
from kws.common.tables import check_known, inside
from kws.config.places import config_places
from kws.config.schema import Config, SourceOptions
from kws.decision import DecisionSettings, resolve
from kws.enroll.word_file import WordFile, read_word
from kws.enroll.word_model import WordModel, with_words
from kws.errors import OptionError
from kws.inference.model import Description, Model, find_description, find_model
from kws.pipeline.pipeline import Pipeline
from kws.pipeline.requests import Request
from kws.publishers.base import Publisher
from kws.publishers.exec import CommandPublisher
from kws.publishers.mqtt.settings import read_password, site_name
from kws.publishers.observer import Observer
from kws.publishers.stdout import LinePublisher
from kws.publishers.worker import MAX_AGE, QUEUE, PublisherWorker
from kws.service.place import Inbox, Place
from kws.service.service import Service

if TYPE_CHECKING:
    from kws.publishers.mqtt.publisher import MqttPublisher

#: Seconds that the commands for a recording may take together.
_ALL_DAY_SECONDS = 86400.0


def load_model(config: Config, model: Model | None = None) -> Model:
    """Load the model, which hears the enrolled words as further keywords.

    Args:
        config: as read.
        model: loaded already, to be used instead of the one that the configuration names.

    Raises:
        ModelError, UsageError: it cannot be used.
    """
    options = config.model
    if model is None:
        with config.errors("model"):
            model = Model(find_model(options.name), interpreter=options.interpreter, threads=options.threads)
    return WordModel(model, _words(config)) if config.words else model


def describe_model(config: Config) -> Description:
    """Return the description of the model with the enrolled words, without loading a network.

    Raises:
        ModelError, UsageError: it cannot be used.
    """
    with config.errors("model"):
        return with_words(find_description(config.model.name), _words(config))


def _words(config: Config) -> list[tuple[Path, WordFile]]:
    return [(Path(word.file), read_word(Path(word.file))) for word in config.words]


def decision_settings(config: Config, source: SourceOptions, description: Description) -> DecisionSettings:
    """Return the decision settings for a source: built-in, the model's, the file's, the source's own, the flags'.

    Raises:
        UsageError: a setting is wrong.
    """
    with config.errors():
        return resolve(description.labels, config.layers_over(description, source), description.enrolled)


def make_pipeline(config: Config, source: SourceOptions, model: Model, *, gated: bool = True) -> Pipeline:
    """Return the pipeline for a source.

    Args:
        config: as read.
        source: one of its sources.
        model: loaded.
        gated: False for a pipeline without a gate.

    Raises:
        UsageError: a setting is wrong.
    """
    settings = decision_settings(config, source, model.description)
    if not gated:
        settings = replace(settings, gate=None)
    mqtt, *_ = config.publishing(source)
    with config.errors("mqtt"):
        site = source.site if mqtt is None else site_name(mqtt)
    with config.errors("decision"):
        if not settings.listened:
            raise OptionError("keywords", "leaves nothing to listen for; name a keyword, or a word of kws enroll")
        skip = config.model.skip_windows
        return Pipeline(model, settings, site=site, skip_silence=skip, skip_calm=skip)


def wake_word_pipeline(config: Config, model: Model) -> Pipeline:
    """Return the pipeline for one client of the Wyoming server: that of the first source, for wake words only.

    Raises:
        UsageError: a setting is wrong.
    """
    assert config.wyoming
    pipeline = make_pipeline(config, config.sources[0], model, gated=False)
    listened = pipeline.settings.listened
    if (wanted := config.wyoming.keywords) is not None:
        with config.errors("wyoming"), inside("keywords"):
            check_known(wanted, listened, "keyword that is listened for")
        for keyword in set(listened) - set(wanted):
            pipeline.set_keyword(keyword, on=False)
    return pipeline


def source_maker(config: Config, source: SourceOptions, *, hop: float = 0.1, reopens: bool = True) -> partial[Source]:
    """Return a function that makes the source, to be called before each opening.

    Args:
        config: as read.
        source: one of its sources.
        hop: seconds between windows; a microphone's blocks end with them.
        reopens: True if it is opened again when it ends.

    Raises:
        UsageError: an option is wrong, or two do not go together.
    """
    names = ("wyoming", "device", "channel", "rate", "channels", "sample_format")
    options = {name: getattr(source, name) for name in names}
    if source.input is None:
        options["hop"] = hop
    if is_url(source.input):
        options["ends"] = not reopens
    options |= {"timeout": source.watch.stall, "buffer": source.watch.backlog}

    def open_amplified(gain_db: float, audio: str | None, **options: Any) -> Source:
        return amplified(open_source(audio, **options), gain_db)

    make = partial(open_amplified, source.gain, source.input, **options)
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
