"""What is in force: every setting with its value, and where that comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import msgspec

from kws.common.toml import key_written
from kws.config.schema import TABLES, Config, SourceOptions, source_name
from kws.decision import Options, recommended
from kws.decision.options import explain
from kws.inference.model import Description
from kws.publishers.mqtt.settings import password_origin, site_name

BUILT_IN = "built-in"

#: What a secret is shown as.
HIDDEN = "***"

_MODEL = "model.json"
_ORDER = tuple(TABLES)
_OWN = ("home_assistant", "watch", *Options.__struct_fields__)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting.

    Attributes:
        table: that it is in: ``mqtt``, ``keyword.on``, ``source[2].watch``.
        name: of the setting in there.
        value: as it would be written; None where nothing is said and nothing is built in.
        origin: where the value comes from: a file, ``model.json``, an option, a variable, :data:`BUILT_IN`.
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
    """Every setting of all that is asked for, table by table.

    Args:
        config: as read.
        description: of its model.
        environment: where secrets and folders may come from.

    Raises:
        UsageError: decision settings that do not go together.
    """
    environment = os.environ if environment is None else environment
    settings: list[Setting] = []
    for number, source in enumerate(config.sources):
        settings += _source(config, source, source_name(number, len(config.sources)), description)
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
    for key, value in msgspec.structs.asdict(options).items() if options else ():
        path = f"{name}.{key}"
        yield Setting(name, key, value, _origin(config, *([f"source.{path}"] if alone else []), path))


def _source(config: Config, source: SourceOptions, name: str, description: Description) -> Iterator[Setting]:
    """What one source goes by. Of a single one, the tables of the file and its own are shown as one."""
    for key, value in msgspec.structs.asdict(source).items():
        if key not in _OWN:
            yield Setting(name, key, value, _origin(config, f"{name}.{key}"))
    alone = len(config.sources) == 1
    inner = "" if alone else f"{name}."
    for key, value in msgspec.structs.asdict(source.watch).items():
        yield Setting(f"{inner}watch", key, value, _origin(config, f"{name}.watch.{key}", f"watch.{key}"))
    if config.mqtt is not None and not alone:
        for key, value in msgspec.structs.asdict(source.home_assistant).items():
            yield Setting(f"{name}.home_assistant", key, value, _origin(config, f"{name}.home_assistant.{key}"))
    layers = {_MODEL: recommended(description), **config.layers(source)}
    decision, places = explain(description.labels, layers)
    origins = {path: _placed(config, place, path) for path, place in places.items()}
    yield Setting(f"{inner}decision", "hop", decision.hop, origins.get("decision.hop", BUILT_IN))
    for keyword, its in decision.keywords.items():
        for key, value in asdict(its).items():
            origin = origins.get(f"keyword.{key_written(keyword)}.{key}", BUILT_IN)
            yield Setting(f"{inner}keyword.{key_written(keyword)}", key, value, origin)
    gate = asdict(decision.gate) if decision.gate else {"wake_words": ()}
    for key, value in gate.items():
        yield Setting(f"{inner}gate", key, value, origins.get(f"gate.{key}", BUILT_IN))


def _origin(config: Config, *paths: str) -> str:
    """Where the first of these settings that is said was said."""
    for path in paths:
        if path in config.flags:
            return config.flags[path]
        if _is_said(config.tables, path):
            return str(config.path)
    return BUILT_IN


def _is_said(tables: Any, path: str) -> bool:
    """Whether the file has a setting; a source alone may be written as one of several."""
    first, *names = path.split(".")
    table, _, number = first.partition("[")
    found = tables.get(table, {})
    if isinstance(found, list):
        found = found[int(number.rstrip("]") or 1) - 1]
    for name in names:
        if not isinstance(found, Mapping) or name not in found:
            return False
        found = found[name]
    return True


def _placed(config: Config, place: str, path: str) -> str:
    """What to call a place: the option that said it; its file, where it stands there by that path; else all of it."""
    written = place.removeprefix(f"{config.path}: ")
    if written in config.flags:
        return config.flags[written] if written.endswith(path) else f"{config.flags[written]} {written}"
    return place.removesuffix(f": {path}")


def _derived(config: Config, setting: Setting, environment: Mapping[str, str]) -> Setting:
    """What a setting that says nothing comes to on this machine."""
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
