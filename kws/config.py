"""The configuration file of the service: one file of TOML, read once, complete and checked.

Each table is the options of one part, and the part's own module says what they mean; ``docs/kws.example.toml`` shows
them all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from kws.decision import Options, read_options
from kws.errors import UsageError
from kws.publishers.command import ExecOptions
from kws.publishers.lines import LineOptions
from kws.publishers.mqtt import HermesOptions, HomeAssistantOptions, MqttOptions
from kws.tables import check_known, read_table, read_toml

#: Tables of the decision layer, which reads them itself.
_DECISION = tuple(Options.__struct_fields__)

#: Settings of the table ``mqtt`` that name files.
_FILES = ("password_file", "ca", "certificate", "key")

Table = TypeVar("Table", bound=msgspec.Struct)
Positive = Annotated[int, msgspec.Meta(ge=1)]


class SourceOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``source``: see :func:`kws.sources.open_source`.

    Attributes:
        input: None for the microphone, ``-`` for standard input, else a path (a FIFO, a recording).
        device: the microphone, by name or a part of it; None for the default.
        channel: the channel to hear, from 1; None for the mix of all.
        rate: samples a second, of headerless sound or of the microphone.
        channels, sample_format: of headerless sound.
    """

    input: str | None = None
    device: str | int | None = None
    channel: Positive | None = None
    rate: Positive | None = None
    channels: Positive | None = None
    sample_format: str | None = None


class ModelOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``model``.

    Attributes:
        name: of a model that ships, or a path.
        interpreter: None for the first that is installed.
        threads: for one window.
    """

    name: str = "commands"
    interpreter: str | None = None
    threads: Positive = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All tables of a file; None for a publisher that is not asked for.

    Attributes:
        path: of the file; errors that are found later begin with it.
        source, model: what hears.
        decision: the layer of decision settings over the model's.
        mqtt, stdout, exec: where detections go.
        home_assistant, hermes: what else MQTT speaks.
    """

    path: Path
    source: SourceOptions = field(default_factory=SourceOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    decision: Options = field(default_factory=Options)
    mqtt: MqttOptions | None = None
    home_assistant: HomeAssistantOptions = field(default_factory=HomeAssistantOptions)
    hermes: HermesOptions = field(default_factory=HermesOptions)
    stdout: LineOptions | None = None
    exec: ExecOptions | None = None


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
    source = str(path)
    check_known(tables, (*_TABLES, *_DECISION), source, "table")
    parts: dict[str, Any] = {
        name: read_table(tables[name], kind, f"{source}: {name}")
        for name, kind in _TABLES.items()
        if name in tables and not _holds_password(name, tables[name], source)
    }
    if "mqtt" in parts:
        parts["mqtt"] = _resolve_files(parts["mqtt"], path.parent)
    for name in ("home_assistant", "hermes"):
        if name in parts and "mqtt" not in parts:
            raise UsageError(f"{source}: {name}: goes by way of MQTT; a table mqtt is missing")
    decision = read_options({name: tables[name] for name in _DECISION if name in tables}, source)
    return Config(path=path, decision=decision, **parts)


_TABLES: Mapping[str, type[msgspec.Struct]] = {
    "source": SourceOptions,
    "model": ModelOptions,
    "mqtt": MqttOptions,
    "home_assistant": HomeAssistantOptions,
    "hermes": HermesOptions,
    "stdout": LineOptions,
    "exec": ExecOptions,
}


def _holds_password(name: str, table: object, source: str) -> bool:
    """Raises where somebody wrote a password into the file; False otherwise."""
    if name == "mqtt" and isinstance(table, Mapping) and "password" in table:
        raise UsageError(
            f"{source}: mqtt.password: has no place here; put it into a file of its own and name that in "
            f"mqtt.password_file"
        )
    return False


def _resolve_files(options: MqttOptions, folder: Path) -> MqttOptions:
    """Paths as seen from the configuration, for a service has no folder of its own."""
    paths = {
        name: str(folder / Path(value).expanduser()) for name in _FILES if (value := getattr(options, name)) is not None
    }
    return msgspec.structs.replace(options, **paths)
