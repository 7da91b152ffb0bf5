"""Reading a configuration: complete, checked, and with errors that name where the wrong setting was written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from kws.audio.url import is_url
from kws.common.tables import inside, read_table, read_toml
from kws.config.overrides import Override, layers, merged
from kws.config.provenance import Provenance, by_flag
from kws.config.schema import TABLES, Config, DeviceOptions, SourceOptions, Tables, WordOptions, source_name
from kws.decision.options import DecisionOptions, check_values
from kws.errors import OptionError
from kws.publishers.mqtt.settings import parse_broker

#: Settings that name files and folders, by table.
_FILES = {
    "source": ("input",),
    "model": ("name",),
    "word": ("file",),
    "mqtt": ("password_file", "ca", "certificate", "key"),
    "clips": ("folder",),
}

_KINDS: Mapping[str, type[msgspec.Struct]] = {
    "source": SourceOptions,
    "word": WordOptions,
    "decision": DecisionOptions,
    **TABLES,
}


def read_config(
    path: Path | None = None, overrides: Sequence[Override] = (), spelled: Mapping[str, str] | None = None
) -> Config:
    """Read a configuration.

    Args:
        path: the file; None for the defaults.
        overrides: what flags say; a later one goes before an earlier one, and all before the file.
        spelled: see :class:`~kws.config.provenance.Provenance`.

    Raises:
        UsageError: the file cannot be read, a name is unknown or a value is wrong.
    """
    provenance = Provenance(path=path, spelled=spelled or {})
    try:
        file = read_toml(path) if path else {}
        _read_tables(file)
        file = _resolve_files(file, path.parent if path else Path())
        said: dict[str, Any] = {}
        flags: dict[str, str] = {}
        sources = file.get("source")
        for override in overrides:
            key, layer = _read_override(override, len(sources) if isinstance(sources, list) else 1)
            said = merged(said, layer)
            flags[key] = override.option
        provenance = replace(provenance, file=file, said=said, flags=flags)
        tables = merged(file, said)
        config = Config(**msgspec.structs.asdict(_read_tables(tables)), provenance=provenance)
        _check(config, tables)
    except OptionError as error:
        raise provenance.error(error) from None
    return config


def _read_tables(tables: Mapping[str, Any]) -> Tables:
    """Return the values that tables stand for, each checked by itself."""
    for name, value in tables.items():
        owners = [table for table, kind in _KINDS.items() if name in kind.__struct_fields__]
        if owners and name not in _KINDS and not isinstance(value, Mapping | list):
            raise OptionError(name, f"is a setting of the table {' or '.join(owners)}; write it under [{owners[0]}]")
    if isinstance(mqtt := tables.get("mqtt"), Mapping) and "password" in mqtt:
        problem = "has no place here; put it into a file of its own and name that in mqtt.password_file"
        raise OptionError("mqtt.password", problem)
    read = read_table(tables, Tables, "table")
    if not read.sources:
        raise OptionError("source", "names no microphone; leave it out for the default one")
    check_values(read)
    written = tables.get("source", {})
    sources = []
    for number, source in enumerate(read.sources):
        with inside(source_name(number, len(read.sources))):
            check_values(source)
        table = written[number] if isinstance(written, list) else written
        watch = msgspec.structs.replace(read.watch, **table.get("watch", {}))
        sources.append(msgspec.structs.replace(source, watch=watch))
    return msgspec.structs.replace(read, sources=tuple(sources))


def _read_override(said: Override, count: int) -> tuple[str, dict[str, Any]]:
    """Return the path of a setting, and the checked tables that hold it alone."""
    key, readings = layers(said, count)
    wrong: list[OptionError] = []
    for layer in readings:
        try:
            _read_tables(layer)
        except OptionError as error:
            wrong.append(error)
        else:
            return key, _resolve_files(layer, Path.cwd())
    raise by_flag(said.option, wrong[0])


def _resolve_files(tables: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Make paths absolute: those in a file are relative to its folder, and a service has no folder of its own."""
    return {name: _resolve_table(name, table, folder) for name, table in tables.items()}


def _resolve_table(name: str, table: Any, folder: Path) -> Any:
    if isinstance(table, list):
        return [_resolve_table(name, one, folder) for one in table]
    return table | {key: _resolve(key, table[key], folder) for key in _FILES.get(name, ()) if key in table}


def _resolve(key: str, value: str, folder: Path) -> str:
    path = folder / Path(value).expanduser()
    if (key == "input" and (value == "-" or is_url(value))) or (key == "name" and not path.exists()):
        return value  # standard input, a URL; a model that ships
    return str(path)


def _check(config: Config, tables: Mapping[str, Any]) -> None:
    """Check that the tables go together.

    Raises:
        OptionError: they do not.
    """
    if config.mqtt is not None:
        with inside("mqtt"):
            parse_broker(config.mqtt)
    else:
        lost = [name for name in ("home_assistant", "hermes") if name in tables]
        lost += [
            f"{config.name(one)}.home_assistant" for one in config.sources if one.home_assistant != DeviceOptions()
        ]
        if lost:
            raise OptionError(lost[0], "goes by way of MQTT; a table mqtt is missing")
    if len(config.sources) > 1:
        _check_sources(config)


def _check_sources(config: Config) -> None:
    """Check that several sources can be told apart and do not take sound from each other."""
    seen: dict[tuple[str, str], str] = {}
    for number, source in enumerate(config.sources):
        name = source_name(number, len(config.sources))
        if config.mqtt is not None and source.site is None:
            raise OptionError(f"{name}.site", "is missing; each of several has topics of its own")
        for key in ("site", "input", "wyoming"):
            value = getattr(source, key)
            other = seen.setdefault((key, value), name)
            if value is not None and other != name:
                raise OptionError(f"{name}.{key}", f"{value!r} is that of {other} already")
    shared = {"mqtt.site": config.mqtt and config.mqtt.site, "hermes.site": config.hermes.site}
    shared |= {f"home_assistant.{key}": getattr(config.home_assistant, key) for key in ("name", "area")}
    for path, value in shared.items():
        if value is not None:
            own = "source.home_assistant" if path.startswith("home") else "source.site"
            raise OptionError(path, f"cannot be the same for several microphones; write {own} in each")
