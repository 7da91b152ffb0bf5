"""Tables of a configuration, read with errors that name the path of what is wrong and the nearest that is right."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from kws.errors import UsageError

Table = TypeVar("Table", bound=msgspec.Struct)


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a file.

    Raises:
        UsageError: it cannot be read or is not TOML.
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from None


def read_table(table: object, kind: type[Table], path: str) -> Table:
    """One table as the values that it stands for.

    Args:
        table: as it was parsed.
        kind: what it stands for.
        path: of the table, as errors begin: ``kws.toml: mqtt``.

    Raises:
        UsageError: an unknown name or a value that cannot be.
    """
    if not isinstance(table, Mapping):
        raise UsageError(f"{path}: must be a table")
    check_known(table, kind.__struct_fields__, path, "setting")
    for key, value in table.items():
        try:
            msgspec.convert({key: value}, kind)
        except msgspec.ValidationError as error:
            raise UsageError(f"{path}.{key}: {_problem(error, kind, key)}") from None
    return msgspec.convert(table, kind)


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


def _problem(error: msgspec.ValidationError, kind: type[msgspec.Struct], key: str) -> str:
    """What msgspec says, without what a user did not write, and with the choices where there are some."""
    problem = str(error).partition(" - at ")[0].replace(" | null", "").replace("`", "")
    hint = get_type_hints(kind)[key]
    if get_origin(hint) is Literal and "enum" in problem:
        problem = f"{problem.rpartition(' ')[2]} is not one of {', '.join(map(repr, get_args(hint)))}"
    return f"{problem[0].lower()}{problem[1:]}"
