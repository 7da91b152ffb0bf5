"""Settings that a command line says; they go before the file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from kws.common.names import composed
from kws.common.tables import key_written
from kws.config.schema import source_name
from kws.errors import UsageError

_SOURCE = r"source(?:\[(\d+)\])?"

#: Words that are values of TOML.
_WORDS = ("true", "false", "inf", "nan")

#: A name in the path of a setting, which may be in quotes as in TOML.
_NAME = r'("(?:[^"\\]|\\.)*"|[^.]+)(?:\.|$)'


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """One setting that goes before the file.

    Attributes:
        option: the flag that says it.
        key: the path of the setting: ``mqtt.url``; of the second of several sources ``source[2].device``.
        value: text as it would be written in the file, where text may go without quotes; or any other value
            that TOML has.
    """

    option: str
    key: str
    value: Any


def parse_set(text: str) -> Override:
    """Return the setting that ``--set KEY=VALUE`` says.

    Raises:
        UsageError: it is not of this form.
    """
    key, separator, value = text.partition("=")
    key = key.strip()
    if not separator or "." not in key or not all(key.split(".")):
        raise UsageError(f"--set {text}: write KEY=VALUE, such as mqtt.url=mqtt://broker or keyword.on.threshold=0.6")
    return Override(option="--set", key=key, value=value.strip())


def layers(said: Override, count: int) -> tuple[str, list[dict[str, Any]]]:
    """Return a setting as tables of its own.

    Args:
        said: the setting.
        count: of the sources in the file.

    Returns:
        The path of the setting, with the number of its source only where there are several; and the tables that it may
        stand for, the likelier first: the value read as TOML, the text itself.

    Raises:
        UsageError: there is no such source.
    """
    first, *keys = (
        json.loads(name) if name.startswith('"') else name for name in re.findall(_NAME, composed(said.key))
    )
    path = ".".join(map(key_written, keys))
    if not (source := re.fullmatch(_SOURCE, first)):
        return f"{first}.{path}".rstrip("."), [_nested([first, *keys], value) for value in _readings(said.value)]
    if source[1] is None and count > 1:
        raise UsageError(f"{said.option}: {said.key}: there {_are(count)}; write source[1].{path}")
    index = int(source[1] or 1) - 1
    if not 0 <= index < count:
        raise UsageError(f"{said.option}: {said.key}: there {_are(count)}, counted from 1")
    return f"{source_name(index, count)}.{path}", [
        {"source": [_nested(keys, value) if number == index else {} for number in range(count)]}
        for value in _readings(said.value)
    ]


def _are(count: int) -> str:
    return "is 1 source" if count == 1 else f"are {count} sources"


def merged(below: Any, above: Any) -> Any:
    """Return tables over tables, and a list of tables over as many; any other value replaces the one below."""
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        return {**below, **{key: merged(below.get(key), value) for key, value in above.items()}}
    if isinstance(above, list) and all(isinstance(table, Mapping) for table in above):
        tables = below if isinstance(below, list) else [below or {}] * len(above)
        return list(map(merged, tables, above)) if len(tables) == len(above) else above
    return above


def _readings(value: Any) -> list[Any]:
    """Return what a value may stand for."""
    if not isinstance(value, str):
        return [value]
    # TOML's parser takes time to load, and most values do without it: names, -, whole numbers.
    if value == "-" or (value.replace("-", "_").isidentifier() and value not in _WORDS):
        return [value]
    if re.fullmatch("[1-9][0-9]{0,9}", value):
        return [int(value), value]
    import tomllib  # noqa: PLC0415

    try:
        parsed = tomllib.loads(f"value = {value}")
    except tomllib.TOMLDecodeError:
        return [value]
    return [parsed["value"], value] if parsed.keys() == {"value"} else [value]


def _nested(keys: list[str], value: object) -> Any:
    for key in reversed(keys):
        value = {key: value}
    return value
