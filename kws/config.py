"""The configuration file of the service: one file of TOML, read once, complete and checked.

Each table is the options of one part, and the part's own module says what they mean; ``docs/kws.example.toml`` shows
them all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from kws.clips import ClipsOptions
from kws.decision import Options, read_options
from kws.errors import UsageError
from kws.logs import LogOptions
from kws.metrics import MetricsOptions
from kws.publishers.command import ExecOptions
from kws.publishers.lines import LineOptions
from kws.publishers.mqtt import HermesOptions, HomeAssistantOptions, MqttOptions
from kws.publishers.mqtt.settings import Site
from kws.tables import check_known, inside, read_table, read_toml
from kws.watch import WatchOptions

#: Settings that name files and folders, by table.
_FILES = {"mqtt": ("password_file", "ca", "certificate", "key"), "clips": ("folder",)}

Positive = Annotated[int, msgspec.Meta(ge=1, le=1024)]


class DeviceOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``source.home_assistant``: what differs from one microphone to another.

    Attributes:
        name, area: see :class:`~kws.publishers.mqtt.HomeAssistantOptions`.
    """

    name: str | None = None
    area: str | None = None


class SourceOptions(Options, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``source``, or one of several: what is heard, where, and what is decided otherwise there.

    Its tables ``decision``, ``keyword`` and ``gate`` are a layer over those of the file.

    Attributes:
        site: the place that it hears, a level of its topics; None for the site of MQTT.
        input: None for the microphone, ``-`` for standard input, else a path (a FIFO, a recording).
        device: the microphone, by name or a part of it; None for the default.
        channel: the channel to hear, from 1; None for the mix of all.
        rate: samples a second, of headerless sound or of the microphone.
        channels, sample_format: of headerless sound; see :func:`kws.sources.open_source`.
        home_assistant: as what Home Assistant shows it.
        watch: when it counts as dead; what it does not say is as the file's table ``watch`` says.
    """

    site: Site | None = None
    input: str | None = None
    device: str | int | None = None
    channel: Positive | None = None
    rate: Annotated[int, msgspec.Meta(ge=1000, le=768_000)] | None = None
    channels: Positive | None = None
    sample_format: Literal["s16le", "s32le", "f32le"] | None = None
    home_assistant: DeviceOptions = DeviceOptions()
    watch: WatchOptions = WatchOptions()


class ModelOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``model``.

    Attributes:
        name: of a model that ships, or a path.
        interpreter: None for the first that is installed.
        threads: for one window.
    """

    name: str = "commands"
    interpreter: Literal["ai-edge-litert", "tflite-runtime", "tensorflow"] | None = None
    threads: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All tables of a file; None for a part that is not asked for.

    Attributes:
        path: of the file; errors that are found later begin with it.
        sources: what is heard, at least one; of several, each has a site of its own where MQTT is on.
        model: what hears.
        decision: the layer of decision settings over the model's and below each source's.
        mqtt, stdout, exec: where detections go.
        home_assistant, hermes: what else MQTT speaks.
        log, metrics: how the service tells of itself.
        clips: the sound that is kept.
    """

    path: Path
    sources: tuple[SourceOptions, ...] = (SourceOptions(),)
    model: ModelOptions = field(default_factory=ModelOptions)
    decision: Options = field(default_factory=Options)
    mqtt: MqttOptions | None = None
    home_assistant: HomeAssistantOptions = field(default_factory=HomeAssistantOptions)
    hermes: HermesOptions = field(default_factory=HermesOptions)
    stdout: LineOptions | None = None
    exec: ExecOptions | None = None
    log: LogOptions = field(default_factory=LogOptions)
    metrics: MetricsOptions | None = None
    clips: ClipsOptions | None = None

    def place(self, source: SourceOptions) -> str:
        """Where a source is written, as errors begin: ``kws.toml: source``, of several ``kws.toml: source[2]``."""
        number = next(number for number, other in enumerate(self.sources) if other is source)
        return inside(str(self.path), _source_name(number, len(self.sources)))

    def layers(self, source: SourceOptions) -> dict[str, Options]:
        """The layers of decision settings for a source, by the place where each is written, lowest first."""
        return {str(self.path): self.decision, self.place(source): source}

    def publishing(self, source: SourceOptions) -> tuple[MqttOptions | None, HomeAssistantOptions, HermesOptions]:
        """What goes over MQTT for one source: its own site and names in the place of the file's."""
        replace = msgspec.structs.replace
        said = {name: value for name, value in msgspec.structs.asdict(source.home_assistant).items() if value}
        mqtt = self.mqtt if self.mqtt is None or source.site is None else replace(self.mqtt, site=source.site)
        return mqtt, replace(self.home_assistant, **said), self.hermes


def find_config(path: str | None = None, environment: Mapping[str, str] | None = None) -> Path:
    """The file that is named, else the user's, else the system's.

    Raises:
        UsageError: there is none; the message lists where it was looked for.
    """
    if path is not None:
        return Path(path)
    environment = os.environ if environment is None else environment
    places = config_places(environment)
    for place in places:
        if place.is_file():
            return place
    raise UsageError(f"no configuration in {' or '.join(map(str, places))}; write one, or name it with --config")


def config_places(environment: Mapping[str, str]) -> list[Path]:
    """Where a configuration is looked for, in this order."""
    home = environment.get("HOME")
    base = environment.get("XDG_CONFIG_HOME") or (home and str(Path(home, ".config")))
    user = [Path(base, "kws", "kws.toml")] if base else []
    return [*user, Path("/etc/kws/kws.toml")]


def read_config(path: Path) -> Config:
    """Read a configuration.

    Raises:
        UsageError: the file cannot be read, a name is unknown or a value cannot be; one line with the path of it.
    """
    tables = read_toml(path)
    place = str(path)
    check_known(tables, ("source", "model", "decision", "keyword", "gate", *_TABLES), place, "table")
    if isinstance(mqtt := tables.get("mqtt"), Mapping) and "password" in mqtt:
        raise UsageError(
            f"{place}: mqtt.password: has no place here; put it into a file of its own and name that in "
            f"mqtt.password_file"
        )
    parts: dict[str, Any] = {
        name: read_table(tables[name], kind, inside(place, name)) for name, kind in _TABLES.items() if name in tables
    }
    watch = parts.pop("watch", WatchOptions())
    config = Config(
        path=path,
        sources=_read_sources(tables.get("source", {}), watch, place),
        decision=read_options({name: tables[name] for name in Options.__struct_fields__ if name in tables}, place),
        **{name: _resolve_files(name, part, path.parent) for name, part in parts.items()},
    )
    for name in ("home_assistant", "hermes"):
        if name in tables and config.mqtt is None:
            raise UsageError(f"{place}: {name}: goes by way of MQTT; a table mqtt is missing")
    if len(config.sources) > 1:
        _check_sources(config)
    return config


_TABLES: Mapping[str, type[msgspec.Struct]] = {
    "watch": WatchOptions,
    "model": ModelOptions,
    "mqtt": MqttOptions,
    "home_assistant": HomeAssistantOptions,
    "hermes": HermesOptions,
    "stdout": LineOptions,
    "exec": ExecOptions,
    "log": LogOptions,
    "metrics": MetricsOptions,
    "clips": ClipsOptions,
}


def _read_sources(tables: object, watch: WatchOptions, place: str) -> tuple[SourceOptions, ...]:
    """The one table ``source``, or each of several."""
    if not isinstance(tables, list):
        tables = [tables]
    if not tables:
        raise UsageError(f"{place}: source: names no microphone; leave it out for the default one")
    sources = []
    for number, table in enumerate(tables):
        source = read_table(table, SourceOptions, inside(place, _source_name(number, len(tables))))
        own = read_table({**msgspec.to_builtins(watch), **table.get("watch", {})}, WatchOptions, place)
        sources.append(msgspec.structs.replace(source, watch=own))
    return tuple(sources)


def _source_name(number: int, count: int) -> str:
    """Of the table of a source, counted from 1 as channels are."""
    return "source" if count == 1 else f"source[{number + 1}]"


def _check_sources(config: Config) -> None:
    """Whether several sources go together.

    Raises:
        UsageError: two of them cannot be told apart, or would take sound from each other.
    """
    seen: dict[tuple[str, str], str] = {}
    for number, source in enumerate(config.sources):
        name = _source_name(number, len(config.sources))
        if config.mqtt is not None and source.site is None:
            raise UsageError(f"{config.path}: {name}.site: is missing; each of several has topics of its own")
        for key in ("site", "input"):
            value = getattr(source, key)
            other = seen.setdefault((key, value), name)
            if value is not None and other != name:
                raise UsageError(f"{config.path}: {name}.{key}: {value!r} is that of {other} already")
    shared = {"mqtt.site": config.mqtt and config.mqtt.site, "hermes.site": config.hermes.site}
    shared |= {f"home_assistant.{key}": getattr(config.home_assistant, key) for key in ("name", "area")}
    for path, value in shared.items():
        if value is not None:
            own = "source.home_assistant" if path.startswith("home") else "source.site"
            raise UsageError(f"{config.path}: {path}: cannot be the same for several microphones; write {own} in each")


def _resolve_files(name: str, options: Any, folder: Path) -> Any:
    """Paths as seen from the configuration, for a service has no folder of its own."""
    paths = {
        key: str(folder / Path(value).expanduser())
        for key in _FILES.get(name, ())
        if (value := getattr(options, key)) is not None
    }
    return msgspec.structs.replace(options, **paths)
