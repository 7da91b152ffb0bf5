"""Trying all that a configuration names, part by part; one that fails does not stop the others."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from kws.app.build import load_model, make_pipeline, source_maker, wake_word_pipeline
from kws.app.service import make_command, make_mqtt, publisher_names
from kws.audio.source import Source
from kws.audio.url import is_url
from kws.audio.wyoming import MISSING as WYOMING_MISSING
from kws.common.addresses import http_url, is_local
from kws.common.sockets import listen
from kws.config.schema import MISSING, ClipsOptions, Config, MetricsOptions, SourceOptions
from kws.errors import AudioError, KwsError, OptionError, UsageError
from kws.inference.model import Description, Model
from kws.publishers.base import PublishError
from kws.publishers.mqtt.forget import open_session
from kws.publishers.mqtt.session import CONNECT_SECONDS, ConnectError, Session
from kws.publishers.mqtt.settings import (
    MqttOptions,
    exposed_files,
    parse_broker,
    password_origin,
    read_password,
    site_name,
)
from kws.publishers.mqtt.tls import make_tls
from kws.publishers.mqtt.topics import Message, Topics
from kws.servers.settings import MonitorOptions, WyomingOptions
from kws.types import Float32Array

#: Seconds of sound that a microphone has to deliver.
_SECONDS = 0.5

_MEGABYTE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The result for one part of a configuration.

    Attributes:
        part: its name.
        ok: True if it works.
        detail: the findings, or the error.
        warning: a problem that does not stop it from working; empty for none.
        code: the exit code that it asks for.
    """

    part: str
    ok: bool
    detail: str
    warning: str = ""
    code: int = 0


#: The findings, and a warning.
Found = tuple[str, str]


def checks(read: Callable[[], Config]) -> Iterator[Result]:
    """Read a configuration, and try each part of it; without one there is nothing else to try."""
    config: Config | None = None

    def found() -> Found:
        nonlocal config
        config = read()
        return str(config.provenance), ""

    yield _attempt("configuration", found)
    if config:
        yield from (_attempt(part, what) for part, what in _parts(config))


def _attempt(part: str, what: Callable[[], Found]) -> Result:
    try:
        detail, warning = what()
    except KwsError as error:
        return Result(part=part, ok=False, detail=str(error), code=error.exit_code)
    return Result(part=part, ok=True, detail=detail, warning=warning)


def _parts(config: Config) -> Iterator[tuple[str, Callable[[], Found]]]:
    """Yield the name of each part of a configuration and a function that tries it."""
    model = _Model(config)
    yield "model", model.found
    for number, source in enumerate(config.sources, 1):
        which = f"source {source.site or number}" if len(config.sources) > 1 else "source"
        yield which, partial(_source, config, source)
    yield "publishers", lambda: (", ".join(publisher_names(config)), "")
    if config.exec is not None:
        yield "exec", partial(_exec, config, model)
    if config.mqtt is not None:
        yield from _mqtt(config, config.mqtt, model)
    if config.clips is not None:
        yield "clips", partial(_clips, config.clips)
    if config.metrics is not None:
        yield "metrics", partial(_metrics, config.metrics)
    if config.wyoming is not None:
        yield "wyoming", partial(_wyoming, config, config.wyoming, model)
    if config.monitor is not None:
        yield "monitor", partial(_monitor, config.monitor)


class _Model:
    """The model, loaded once for all parts that need it."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.description: Description | None = None
        self.loaded: Model | None = None

    def found(self) -> Found:
        self.loaded = model = load_model(self._config)
        self.description = description = model.description
        for source in self._config.sources:
            make_pipeline(self._config, source, model)
        own = len(description.keywords) - len(description.enrolled)
        words = f" and {', '.join(map(repr, description.enrolled))}" if description.enrolled else ""
        found = f"{description.name} {description.version} with {own} keywords{words}"
        return f"{found}, by {model.network.interpreter}", ""


def _source(config: Config, options: SourceOptions) -> Found:
    make_source = source_maker(config, options)
    if options.input == "-":
        return "standard input, not tried", ""
    if options.input is not None and _is_fifo(options.input):
        return f"{options.input} is a FIFO, not tried", ""  # opening it would wait for a writer
    with config.errors(config.name(options)), make_source() as source:
        try:
            found = f"{source.name} at {source.rate} Hz"
            live = options.input is None or is_url(options.input)
            return _level(source, found) if live else (found, "")
        finally:
            source.interrupt()


def _is_fifo(path: str) -> bool:
    with suppress(OSError):
        return stat.S_ISFIFO(Path(path).stat().st_mode)
    return False


def _level(source: Source, found: str) -> Found:
    """Add the level of the first half second to what was found.

    Raises:
        AudioError: no sound arrives.
    """
    heard: list[Float32Array] = []
    for block in source.blocks():
        heard.append(block.samples)
        if block.end >= _SECONDS * source.rate:
            break
    if not heard:
        raise AudioError(f"{source.name} delivers no sound")
    power = float(np.mean(np.concatenate(heard) ** 2))
    if power == 0:
        return found, "it is digitally silent; is it muted?"
    return f"{found}, level {10 * np.log10(power):.0f} dB", ""


def _exec(config: Config, model: _Model) -> Found:
    assert config.exec is not None
    command = make_command(config, model.description)
    return ", ".join(command.programs) or "by /bin/sh", ""


def _mqtt(config: Config, options: MqttOptions, model: _Model) -> Iterator[tuple[str, Callable[[], Found]]]:
    broker = parse_broker(options)
    if password_origin(options) is not None:
        yield "password", partial(_password, config, options)
    if broker.tls:
        yield "TLS", partial(_tls, config, options)
    yield "broker", partial(_broker, config, options, model)


def _password(config: Config, options: MqttOptions) -> Found:
    with config.errors("mqtt"):
        read_password(options)
    warnings = [problem for problem in exposed_files(options) if problem.startswith("mqtt.password_file")]
    return f"from {password_origin(options)}", "".join(warnings)


def _tls(config: Config, options: MqttOptions) -> Found:
    with config.errors("mqtt"):
        make_tls(options, parse_broker(options))
    shown = f"shows {options.certificate}" if options.certificate else "shows no certificate"
    warnings = [problem for problem in exposed_files(options) if problem.startswith("mqtt.key")]
    return f"trusts {options.ca or 'the certificates of the system'}, {shown}", "".join(warnings)


def _broker(config: Config, options: MqttOptions, model: _Model) -> Found:
    broker = parse_broker(options)
    if model.description:
        for source in config.sources:
            make_mqtt(config, source, model.description, model.description.keywords)
    sites = [site_name(mqtt) for mqtt, *_ in map(config.publishing, config.sources) if mqtt]
    try:
        with config.errors("mqtt"):
            session = open_session(options)
            warning = _arbitration(options, session)
            session.close()
    except ConnectError as error:
        raise ConnectError(f"{broker}: {error}") from None
    user = f" as user {broker.user}" if broker.user is not None else ""
    return f"{broker}{user}, site{'s' if len(sites) > 1 else ''} {', '.join(sites)}", warning


def _arbitration(options: MqttOptions, session: Session) -> str:
    """Return a warning if the broker refuses the claims of arbitration."""
    if options.arbitration is None:
        return ""
    topic = Topics(options.prefix, site_name(options)).claim(options.arbitration)
    deadline = time.monotonic() + CONNECT_SECONDS
    try:
        session.subscribe([topic], deadline=deadline)
        session.publish([Message(topic, "{}")], deadline=deadline)  # no claim, so all ignore it
    except PublishError as error:
        return f"mqtt.arbitration: {error}"
    return f"mqtt.arbitration: the broker refuses {session.refused[0]}" if session.refused else ""


def _clips(options: ClipsOptions) -> Found:
    folder = options.path(os.environ)
    place = next(place for place in (folder, *folder.parents) if place.exists())
    if not place.is_dir():
        raise UsageError(f"clips.folder: {place} is no folder")
    if not os.access(place, os.W_OK | os.X_OK):
        raise KwsError(f"clips.folder: {place} cannot be written to by this user")
    free = shutil.disk_usage(place).free / _MEGABYTE
    warning = f"the disk has {free:.0f} MB left, less than the quota" if free < options.quota else ""
    new = "" if place == folder else ", which is made when it is needed"
    return f"{folder}{new}, up to {options.quota:g} MB; people are recorded", warning


def _metrics(options: MetricsOptions) -> Found:
    if find_spec("prometheus_client") is None:
        raise UsageError(MISSING)
    warning = "" if options.is_local else "whoever reaches this address can read them"
    in_use = _in_use("metrics", options.address, options.port, partial(_says, options.url(options.port), b"kws_up"))
    return options.url(options.port), in_use or warning


def _wyoming(config: Config, options: WyomingOptions, model: _Model) -> Found:
    if find_spec("wyoming") is None:
        raise UsageError(f"wyoming: {WYOMING_MISSING}")
    keywords = ""
    if model.loaded:
        keywords = f", for {', '.join(wake_word_pipeline(config, model.loaded).settings.listened)}"
    host, port = options.address
    warning = "" if is_local(host) else "whoever reaches this address can send sound to it"
    return options.uri + keywords, _in_use("wyoming", host, port, partial(_is_kws, host, port), "uri") or warning


def _monitor(options: MonitorOptions) -> Found:
    local = is_local(options.address)
    url = http_url(options.address, options.port)
    in_use = _in_use("monitor", options.address, options.port, partial(_says, url, b"kws"))
    return url if local else f"{url}, with a token", in_use


def _in_use(table: str, host: str, port: int, is_kws: Callable[[], bool], field: str = "address") -> str:
    """Return a warning if a kws that runs has this port; empty if it is free.

    Raises:
        UsageError: there is no such address.
        KwsError: another program has the port, or it cannot be had.
    """
    try:
        listen(host, port, table=table, field=field).close()
    except OptionError:
        raise
    except KwsError:
        with suppress(OSError, ValueError):
            if is_kws():
                return "the port is in use by a kws that runs"
        raise
    return ""


def _says(url: str, text: bytes) -> bool:
    """Return True if an answer over HTTP contains a text."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - a URL that we made
            return text in answer.read()
    except urllib.error.HTTPError as refusal:
        return text in refusal.read()


def _is_kws(host: str, port: int) -> bool:
    """Return True if a Wyoming server identifies itself as kws."""
    from wyoming.event import read_event, write_event  # noqa: PLC0415
    from wyoming.info import Describe, Info  # noqa: PLC0415

    with socket.create_connection((host, port), 2) as connection, connection.makefile("rwb") as stream:
        write_event(Describe().event(), stream)  # type: ignore[arg-type]
        event = read_event(stream)  # type: ignore[arg-type]
        return event is not None and any(program.name == "kws" for program in Info.from_event(event).wake)
