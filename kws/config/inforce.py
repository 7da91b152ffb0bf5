"""The settings in force: each with its value, and where that comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import asdict

from kws.common.tables import key_written
from kws.config.provenance import BUILT_IN
from kws.config.schema import TABLES, Config, SourceOptions
from kws.decision import Options
from kws.decision.options import explain
from kws.inference.model import Description
from kws.publishers.mqtt.settings import password_origin, site_name

#: How a secret is shown.
HIDDEN = "***"

_ORDER = tuple(TABLES)
_OWN = ("home_assistant", "watch", *Options.__struct_fields__)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        table: its table: ``mqtt``, ``keyword.on``, ``source[2].watch``.
        name: its name in there.
        value: as it would be written; None where nothing is set and nothing is built in.
        origin: where the value comes from: a file, ``model.json``, a flag, a variable, ``built-in``.
    """

    table: str
    name: str
    value: Any
    origin: str

    @property
    def key(self) -> str:
        """The whole path."""
        return f"{self.table}.{key_written(self.name)}"


def in_force(config: Config, description: Description, environment: Mapping[str, str] | None = None) -> list[Setting]:
    """Return every setting of all parts that are asked for, table by table.

    Args:
        config: as read.
        description: of its model.
        environment: variables that name secrets and folders.

    Raises:
        UsageError: decision settings do not go together.
    """
    environment = os.environ if environment is None else environment
    settings: list[Setting] = []
    for source in config.sources:
        settings += _source(config, source, description)
    for number, word in enumerate(config.words, 1):
        settings.append(Setting(f"word[{number}]", "file", word.file, config.provenance.origin("word")))
    for name in TABLES:
        if name != "watch":  # each source has it
            settings += _table(config, name)
    settings += _secrets(config, environment)
    settings.sort(key=lambda setting: _ORDER.index(setting.table) if setting.table in _ORDER else -1)
    return [_derived(config, setting, environment) for setting in settings]


def _table(config: Config, name: str) -> Iterator[Setting]:
    options = getattr(config, name)
    if name in ("home_assistant", "hermes") and config.mqtt is None:
        options = None
    alone = len(config.sources) == 1
    if name == "home_assistant" and options and alone:
        _, options, _ = config.publishing(config.sources[0])
    yield from _settings(config, name, options, *([f"source.{name}"] if alone else []), name)


def _settings(config: Config, table: str, options: msgspec.Struct | None, *paths: str) -> Iterator[Setting]:
    """Yield the settings of a table, which may be written in any of several tables."""
    for name, value in asdict(options).items() if options else ():
        yield Setting(table, name, value, config.provenance.origin(*(f"{path}.{name}" for path in paths)))


def _source(config: Config, source: SourceOptions, description: Description) -> Iterator[Setting]:
    """Yield the settings of one source. Of a single one, its tables and those of the file are shown as one."""
    name = config.name(source)
    shown = msgspec.structs.replace(source, input=source.input_shown)
    yield from (setting for setting in _settings(config, name, shown, name) if setting.name not in _OWN)
    alone = len(config.sources) == 1
    inner = "" if alone else f"{name}."
    yield from _settings(config, f"{inner}watch", source.watch, f"{name}.watch", "watch")
    if config.mqtt is not None and not alone:
        yield from _settings(config, f"{name}.home_assistant", source.home_assistant, f"{name}.home_assistant")
    with config.errors():
        decision, places = explain(description.labels, config.layers_over(description, source), description.enrolled)
    gate = asdict(decision.gate) if decision.gate else {"wake_words": ()}
    tables = {"decision": {"hop": decision.hop, "keywords": decision.listened}}
    tables |= {f"keyword.{key_written(keyword)}": asdict(its) for keyword, its in decision.keywords.items()}
    for table, values in (tables | {"gate": gate}).items():
        for key, value in values.items():
            path = f"{table}.{key}"
            origin = config.provenance.place(places[path], path) if path in places else BUILT_IN
            yield Setting(f"{inner}{table}", key, value, origin)


def _derived(config: Config, setting: Setting, environment: Mapping[str, str]) -> Setting:
    """Return a setting with the value that this machine gives it, if it has none of its own."""
    if setting.value is not None:
        return setting
    if setting.key == "mqtt.site" and config.mqtt and len(config.sources) == 1 and config.sources[0].site is None:
        return Setting(setting.table, setting.name, site_name(config.mqtt), "name of this host")
    if setting.key == "clips.folder" and config.clips:
        return Setting(setting.table, setting.name, str(config.clips.path(environment)), "state directory")
    return setting


def _secrets(config: Config, environment: Mapping[str, str]) -> list[Setting]:
    origin = config.mqtt and password_origin(config.mqtt, environment)
    return [Setting("mqtt", "password", HIDDEN, origin)] if origin else []
