"""Reading the tables of a configuration; an error names the path of the setting and the nearest valid name."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec

from kws.common.names import composed
from kws.errors import OptionError, UsageError

Table = TypeVar("Table", bound=msgspec.Struct)

#: Text that is not empty.
Text = Annotated[str, msgspec.Meta(min_length=1, description="text that is not empty")]

#: The longest value that an error repeats in full, in characters.
_LONGEST = 60

#: Bytes of a file of TOML at most; reading a device may never end.
_LARGEST_FILE = 1_000_000

#: The fields of a struct; msgspec evaluates their annotations each time.
_fields = cache(msgspec.structs.fields)

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a file.

    Raises:
        UsageError: the file cannot be read or is not TOML.
    """
    import tomllib  # noqa: PLC0415 - most commands read no file

    try:
        with path.open("rb") as file:  # or a pipe: kws run --config <(...)
            data = file.read(_LARGEST_FILE + 1)
        if len(data) > _LARGEST_FILE:
            raise UsageError(f"{path}: has more than {_LARGEST_FILE} bytes")
        return tomllib.loads(data.decode("utf-8-sig"))  # some editors write a byte order mark
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None


def read_table(table: object, kind: type[Table], what: str = "setting") -> Table:
    """Convert one table, and the tables in it, to a struct.

    Args:
        table: as parsed from TOML or JSON.
        kind: the struct.
        what: its fields are called in errors.

    Raises:
        OptionError: a name is unknown or missing, or a value is of the wrong type or out of its range.
    """
    if not isinstance(table, Mapping):
        raise OptionError("", "must be a table")
    fields = _fields(kind)
    check_known(table, [field.encode_name for field in fields], what)
    values: dict[str, Any] = {}
    for field in fields:
        if field.encode_name in table:
            with inside(field.encode_name):
                values[field.name] = _read_value(table[field.encode_name], field.type)
        elif field.required:
            raise OptionError(field.encode_name, "is missing")
    return kind(**values)


def check_known(names: Iterable[str], allowed: Collection[str], what: str) -> None:
    """Raise an OptionError for the first name that is not allowed; it suggests the nearest that is."""
    for name in names:
        if name not in allowed:
            close = _nearest(name, allowed)
            meant = f"did you mean {close!r}? " if close else ""
            raise OptionError("", f"{name!r} is not a {what}; {meant}choose from {', '.join(allowed)}")


@contextmanager
def inside(table: str) -> Iterator[None]:
    """Put the path of a table before the field of an :class:`~kws.errors.OptionError` that is raised within."""
    try:
        yield
    except OptionError as error:
        raise error.inside(table) from None


def key_written(name: str) -> str:
    """Return a key as TOML writes it: in quotes where it needs them."""
    # JSON's escapes are TOML's too, but TOML also escapes DEL.
    return name if _BARE.fullmatch(name) else json.dumps(name, ensure_ascii=False).replace("\x7f", "\\u007f")


def _read_value(value: object, kind: Any) -> Any:
    struct = next(
        (one for one in (kind, *get_args(kind)) if isinstance(one, type) and issubclass(one, msgspec.Struct)), None
    )
    if get_origin(kind) is dict:
        if not isinstance(value, Mapping):
            raise OptionError("", "must be a table")
        return {composed(name): _read_item(item, get_args(kind)[1], key_written(name)) for name, item in value.items()}
    if struct and get_origin(kind) is tuple:  # one table, or several
        if not isinstance(value, list):
            return (read_table(value, struct),)
        count = len(value)
        return tuple(_read_item(table, struct, f"[{n}]" if count > 1 else "") for n, table in enumerate(value, 1))
    if struct:
        return read_table(value, struct)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        choices = [item for one in (kind, *get_args(kind)) if get_origin(one) is Literal for item in get_args(one)]
        allowed = f"one of {', '.join(map(_shown, choices))}" if choices else _allowed(msgspec.inspect.type_info(kind))
        close = _nearest(str(value), choices)
        meant = f"; did you mean {_shown(close)}?" if close else ""
        raise OptionError("", f"must be {allowed}, not {_shown(value)}{meant}") from None


def _nearest(name: str, allowed: Collection[str]) -> str | None:
    from difflib import get_close_matches  # noqa: PLC0415 - for errors only

    return next(iter(get_close_matches(name, allowed, n=1)), None)


def _read_item(value: object, kind: Any, name: str) -> Any:
    with inside(name):
        return _read_value(value, kind)


def _shown(value: object) -> str:
    """Return a value as TOML writes it, cut to a length that fits one line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _allowed(kind: Any) -> str:
    """Describe the values of a type: ``a whole number from 5 to 3600``."""
    types = msgspec.inspect
    text = "text"
    match kind:
        case types.Metadata(extra_json_schema={"description": str(description)}):
            text = description
        case types.UnionType():
            text = " or ".join(_allowed(one) for one in kind.types if not isinstance(one, types.NoneType))
        case types.VarTupleType():
            text = f"a list of {_allowed(kind.item_type)}"
        case types.BoolType():
            text = "true or false"
        case types.IntType() | types.FloatType():
            text = "a whole number" if isinstance(kind, types.IntType) else "a number"
            if kind.le is not None:
                text += f" from {kind.ge} to {kind.le}" if kind.gt is None else f" above {kind.gt} and up to {kind.le}"
    return text
