"""The settings in force, written as a configuration that says the same."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import tomlkit

from kws.common.tables import key_written
from kws.config.inforce import HIDDEN, Setting
from kws.config.schema import Config

_KEYWORD = re.compile(r"(?P<source>source\[\d+\]\.)?keyword\..+")
_NUMBER = re.compile(r"\[\d+\]")

#: The column in which the origins begin.
_COLUMN = 34


def as_toml(config: Config, settings: Sequence[Setting]) -> str:
    """Return the settings as TOML, each with its origin behind it; secrets are comments.

    What most keywords have in common is written once, in the table ``decision``.
    """
    origins = config.provenance
    lines = [f"# In force: {origins}", *(f"# and {flag} {path}" for path, flag in origins.flags.items())]
    for table, group in groupby(_gathered(settings), lambda setting: setting.table):
        # One of several sources is [[source]], and a table in it [source.watch].
        bare = _NUMBER.sub("", table)
        lines += ["", f"[[{bare}]]" if table.endswith("]") else f"[{bare}]", *map(_line, group)]
    return "\n".join(lines) + "\n"


def written(value: Any) -> str:
    """Return a value as TOML writes it on one line."""
    array = tomlkit.array()
    array.append(value)  # in an array tables are inline
    return array.as_string()[1:-1].strip()


def _line(setting: Setting) -> str:
    name = key_written(setting.name)
    if setting.value is None:
        return f"# {name}: not set"
    secret = "# " if setting.value == HIDDEN else ""
    return f"{f'{secret}{name} = {written(setting.value)}':<{_COLUMN}}  # {setting.origin}"


def _gathered(settings: Sequence[Setting]) -> Iterable[Setting]:
    """Yield the settings; what most keywords of a source have in common is in its table ``decision`` instead."""
    groups: dict[tuple[str, str], list[Setting]] = {}
    for setting in settings:
        if match := _KEYWORD.fullmatch(setting.table):
            groups.setdefault((match["source"] or "", setting.name), []).append(setting)
    common: list[Setting] = []
    for (source, name), group in groups.items():
        (value, origin), count = Counter((setting.value, setting.origin) for setting in group).most_common(1)[0]
        if count > len(group) / 2:
            common.append(Setting(f"{source}decision", name, value, origin))
    for setting in settings:
        match = _KEYWORD.fullmatch(setting.table)
        if not match or replace(setting, table=f"{match['source'] or ''}decision") not in common:
            yield setting
        if setting.name == "hop":
            yield from (shared for shared in common if shared.table == setting.table)
