"""Tables of a configuration, read with errors that name the path of what is wrong and the nearest that is right."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import msgspec

from kws.common.toml import key_written
from kws.errors import UsageError

Table = TypeVar("Table", bound=msgspec.Struct)

#: Types as users know them.
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}

#: Characters of a value that an error repeats at most.
_LONGEST = 60


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file.

    Raises:
        UsageError: it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))  # some editors begin a file with a mark
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None


def read_table(table: object, kind: type[Table], path: str, what: str = "setting") -> Table:
    """One table, with the tables in it, as the values that it stands for.

    Args:
        table: as it was parsed.
        kind: what it stands for.
        path: of the table, as errors begin: ``kws.toml: mqtt``; see :func:`inside`.
        what: a name in it stands for.

    Raises:
        UsageError: an unknown name, a value that cannot be, or one that is missing.
    """
    if not isinstance(table, Mapping):
        raise UsageError(f"{path}: must be a table")
    check_known(table, kind.__struct_fields__, path, what)
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        if field.name in table:
            values[field.name] = _read_value(table[field.name], field.type, inside(path, field.name))
        elif field.required:
            raise UsageError(f"{inside(path, field.name)}: is missing")
    return kind(**values)


def inside(place: str, name: str) -> str:
    """The path of something that is written in a place.

    A place is a file, ``kws.toml``, in which it is ``kws.toml: mqtt``; or a table, ``kws.toml: mqtt``, in which it is
    ``kws.toml: mqtt.url``.
    """
    return f"{place}.{name}" if ": " in place else f"{place}: {name}"


def check_known(names: Iterable[str], allowed: Collection[str], path: str, what: str) -> None:
    """Refuse the first name that is not allowed, and say which one was perhaps meant.

    Raises:
        UsageError: there is such a name.
    """
    for name in names:
        if name not in allowed:
            close = get_close_matches(name, allowed, n=1)
            meant = f"did you mean {close[0]!r}? " if close else ""
            raise UsageError(f"{path}: {name!r} is not a {what}; {meant}choose from {', '.join(allowed)}")


def _read_value(value: object, kind: Any, path: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return read_table(value, kind, path)
    if get_origin(kind) is dict:
        if not isinstance(value, Mapping):
            raise UsageError(f"{path}: must be a table")
        return {
            name: _read_value(item, get_args(kind)[1], inside(path, key_written(name))) for name, item in value.items()
        }
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        raise UsageError(f"{path}: must be {_allowed(kind)}, not {_shown(value)}{_meant(value, kind)}") from None


def _shown(value: object) -> str:
    """A value as it is written in TOML, as far as one line and a glance go."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _allowed(kind: Any) -> str:
    """What a value may be: ``a whole number from 5 to 3600``."""
    kind, limits = _without_limits(kind)
    if limits.description is not None:
        return limits.description
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(_shown, get_args(kind)))}"
    if get_origin(kind) in (UnionType, Union):
        return " or ".join(_allowed(one) for one in get_args(kind) if one is not NoneType)
    if get_origin(kind) is tuple:
        return f"a list of {_allowed(get_args(kind)[0])}"
    return f"{_NAMES[kind]}{_bounds(limits)}"


def _bounds(limits: msgspec.Meta) -> str:
    lowest = limits.ge if limits.gt is None else limits.gt
    if lowest is None or limits.le is None:
        return ""
    return f" from {lowest} to {limits.le}" if limits.gt is None else f" above {lowest} and up to {limits.le}"


def _without_limits(kind: Any) -> tuple[Any, msgspec.Meta]:
    """A type by itself and the limits on its values; None beside it is what a missing setting is."""
    if get_origin(kind) in (UnionType, Union):
        others = [one for one in get_args(kind) if one is not NoneType]
        kind = others[0] if len(others) == 1 else kind
    if get_origin(kind) is Annotated:
        return kind.__origin__, kind.__metadata__[0]
    return kind, msgspec.Meta()


def _meant(value: object, kind: Any) -> str:
    kind, _ = _without_limits(kind)
    choices = list(map(str, get_args(kind))) if get_origin(kind) is Literal else []
    close = get_close_matches(str(value), choices, n=1)
    return f"; did you mean {_shown(close[0])}?" if close else ""
