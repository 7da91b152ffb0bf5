"""The origin of each setting: the file, or a flag of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from kws.decision import Options, read_options
from kws.errors import OptionError, UsageError

BUILT_IN = "built-in"

#: Paths of settings begin with these where a model or a flag says them, see :func:`kws.decision.resolve`.
MODEL, FLAGS = "model.json", "flags"


class Provenance(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The origin of each setting of a configuration. All are equal: it matters what is set, not where.

    Attributes:
        path: of the file; None where there is none.
        file: its tables.
        said: the tables that the flags stand for, which go before those of the file.
        flags: the flag by which each of them was set, by path: ``{"mqtt.url": "--mqtt"}``.
        spelled: the flags that there are, by path. Without a file, errors call settings by them.
    """

    path: Path | None = None
    file: Mapping[str, Any] = {}
    said: Mapping[str, Any] = {}
    flags: Mapping[str, str] = {}
    spelled: Mapping[str, str] = {}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Provenance)

    def __hash__(self) -> int:
        return hash(Provenance)

    def __str__(self) -> str:
        return "defaults" if self.path is None else str(self.path)

    def error(self, wrong: OptionError) -> UsageError:
        """Return an error by the name that the user knows the setting by: ``kws.toml: source.rate``, ``--rate``."""
        layer, path = _split(wrong.field)
        if layer == MODEL:
            return UsageError(f"{MODEL}: {path}: {wrong.problem}")
        flag = self.flags.get(path)
        if layer == FLAGS and flag is None:  # a name in the path is wrong
            flag = next((flag for said, flag in self.flags.items() if said.startswith(f"{path}.")), None)
        if flag is None and self.path is None:
            flag = self.spelled.get(path)
        if flag is not None:
            return by_flag(flag, OptionError(path, wrong.problem))
        return UsageError(": ".join(filter(None, (str(self.path or ""), path, wrong.problem))))

    def origin(self, *paths: str) -> str:
        """Return where the first of these settings was written that was written at all."""
        for path in paths:
            if path in self.flags:
                return self.flags[path]
            if _is_in(self.file, path):
                return str(self.path)
        return BUILT_IN

    def place(self, written: str, path: str) -> str:
        """Return where a decision setting comes from.

        Args:
            written: the path of what it comes from, see :func:`kws.decision.options.explain`.
            path: its own; the place is then the file or flag alone.
        """
        layer, place = _split(written)
        name = self.flags.get(place, FLAGS) if layer == FLAGS else layer or str(self.path)
        if place.endswith(path):
            return name
        return f"{name} {place}" if layer == FLAGS else f"{name}: {place}"

    def layers(self, source: int, name: str) -> dict[str, Options]:
        """Return the layers of decision settings for a source, by the path of each, lowest first.

        Args:
            source: its index.
            name: the path of its table.
        """
        layers = {}
        for start, tables in (("", self.file), (FLAGS, self.said)):
            sources = tables.get("source", {})
            own = sources[source] if isinstance(sources, list) else sources
            for path, table in ((start, tables), (f"{start}.{name}".lstrip("."), own)):
                layers[path] = read_options({key: table[key] for key in Options.__struct_fields__ if key in table})
        return layers


def by_flag(flag: str, wrong: OptionError) -> UsageError:
    """Return an error by the name of a flag; ``--set`` stands for any setting, so it is followed by the path."""
    return UsageError(f"--set: {wrong}" if flag == "--set" else f"{flag}: {wrong.problem}")


def _split(path: str) -> tuple[str, str]:
    """Return the layer with which a path begins, or nothing, and the rest."""
    for layer in (MODEL, FLAGS):
        if path.startswith(f"{layer}."):
            return layer, path.removeprefix(f"{layer}.")
    return "", path


def _is_in(tables: Any, path: str) -> bool:
    """Return whether tables hold a setting; a source alone may be written as one of several."""
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
