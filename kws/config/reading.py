"""Reading a configuration: complete, checked, and with errors that name the place of what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from kws.common.tables import check_known, inside, read_table, read_toml
from kws.config.overrides import Override, layers, merged
from kws.config.schema import TABLES, Config, DeviceOptions, SourceOptions, source_name
from kws.config.watch import WatchOptions
from kws.decision import Options, read_options
from kws.decision.options import DecisionOptions, check_values
from kws.errors import OptionError, UsageError
from kws.publishers.mqtt.settings import parse_broker

#: Settings that name files and folders, by table.
_FILES = {
    "source": ("input",),
    "model": ("name",),
    "mqtt": ("password_file", "ca", "certificate", "key"),
    "clips": ("folder",),
}

_KINDS: Mapping[str, type[msgspec.Struct]] = {"source": SourceOptions, "decision": DecisionOptions, **TABLES}


def read_config(path: Path, overrides: Sequence[Override] = ()) -> Config:
    """Read a configuration.

    Args:
        path: of the file.
        overrides: what a command line says instead, the later before the earlier.

    Raises:
        UsageError: the file cannot be read, a name is unknown or a value cannot be; one line with the path of it.
    """
    tables = read_toml(path)
    read_tables(tables, str(path))
    tables = _resolve_files(tables, path.parent)
    flags: dict[str, str] = {}
    for said in overrides:
        key, layer = _read_override(said, _count(tables))
        tables = merged(tables, layer)
        flags[key] = said.option
    config = Config(path=path, tables=tables, flags=flags, **read_tables(tables, str(path)))
    _check(config)
    return config


def read_tables(tables: Mapping[str, Any], place: str) -> dict[str, Any]:
    """The values that tables stand for, each checked by itself, by the names that :class:`Config` has for them.

    Raises:
        UsageError: see :func:`read_config`.
    """
    known = ("source", *Options.__struct_fields__, *TABLES)
    for name, value in tables.items():
        owners = [table for table, kind in _KINDS.items() if name in kind.__struct_fields__]
        if name not in known and owners and not isinstance(value, Mapping | list):
            raise UsageError(
                f"{place}: {name}: is a setting of the table {' or '.join(owners)}; write it under [{owners[0]}]"
            )
    check_known(tables, known, place, "table")
    if isinstance(mqtt := tables.get("mqtt"), Mapping) and "password" in mqtt:
        raise UsageError(
            f"{place}: mqtt.password: has no place here; put it into a file of its own and name that in "
            f"mqtt.password_file"
        )
    parts: dict[str, Any] = {
        name: read_table(tables[name], kind, inside(place, name)) for name, kind in TABLES.items() if name in tables
    }
    watch = parts.pop("watch", WatchOptions())
    decision = read_options({name: tables[name] for name in Options.__struct_fields__ if name in tables}, place)
    check_values(place, decision)
    return {"sources": _read_sources(tables.get("source", {}), watch, place), "decision": decision, **parts}


def _read_override(said: Override, count: int) -> tuple[str, dict[str, Any]]:
    """The path of a setting, and the tables that it is by itself, checked."""
    key, readings = layers(said, count)
    wrong: UsageError | None = None
    for layer in readings:
        try:
            read_tables(layer, said.option)
        except UsageError as error:
            wrong = wrong or error
        else:
            return key, _resolve_files(layer, Path.cwd())
    assert wrong is not None
    raise wrong


def _count(tables: Mapping[str, Any]) -> int:
    sources = tables.get("source")
    return len(sources) if isinstance(sources, list) else 1


def _read_sources(tables: object, watch: WatchOptions, place: str) -> tuple[SourceOptions, ...]:
    """The one table ``source``, or each of several."""
    if not isinstance(tables, list):
        tables = [tables]
    if not tables:
        raise UsageError(f"{place}: source: names no microphone; leave it out for the default one")
    sources = []
    for number, table in enumerate(tables):
        at = inside(place, source_name(number, len(tables)))
        source = read_table(table, SourceOptions, at)
        check_values(at, source)
        own = msgspec.structs.replace(watch, **table.get("watch", {}))
        sources.append(msgspec.structs.replace(source, watch=own))
    return tuple(sources)


def _resolve_files(tables: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Paths as seen from the configuration, for a service has no folder of its own."""
    return {name: _resolve_table(name, table, folder) for name, table in tables.items()}


def _resolve_table(name: str, table: Any, folder: Path) -> Any:
    if isinstance(table, list):
        return [_resolve_table(name, one, folder) for one in table]
    return table | {key: _resolve(key, table[key], folder) for key in _FILES.get(name, ()) if key in table}


def _resolve(key: str, value: str, folder: Path) -> str:
    path = folder / Path(value).expanduser()
    if (key == "input" and value == "-") or (key == "name" and not path.exists()):
        return value  # standard input; a model that ships
    return str(path)


def _check(config: Config) -> None:
    """Whether the tables go together.

    Raises:
        UsageError: they do not.
    """
    if config.mqtt is not None:
        try:
            parse_broker(config.mqtt)
        except OptionError as error:
            raise UsageError(f"{config.path}: {error.inside('mqtt')}") from None
    if config.mqtt is None:
        lost = [inside(str(config.path), name) for name in ("home_assistant", "hermes") if name in config.tables]
        lost += [inside(config.place(one), "home_assistant") for one in config.sources if _has_device(one)]
        if lost:
            raise UsageError(f"{lost[0]}: goes by way of MQTT; a table mqtt is missing")
    if len(config.sources) > 1:
        _check_sources(config)


def _has_device(source: SourceOptions) -> bool:
    return source.home_assistant != DeviceOptions()


def _check_sources(config: Config) -> None:
    """Whether several sources can be told apart, and do not take sound from each other."""
    seen: dict[tuple[str, str], str] = {}
    for number, source in enumerate(config.sources):
        name = source_name(number, len(config.sources))
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
