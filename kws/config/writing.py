"""What is in force, written as a configuration that says the same."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

from kws.common.toml import key_written, written
from kws.config.inforce import HIDDEN, Setting
from kws.config.schema import Config

_KEYWORD = re.compile(r"(?P<source>source\[\d+\]\.)?keyword\..+")
_NUMBER = re.compile(r"\[\d+\]")

#: Where the origins stand.
_COLUMN = 34


def as_toml(config: Config, settings: Sequence[Setting]) -> str:
    """The settings as TOML, each with its origin behind it; secrets are comments.

    What holds for most keywords alike is said once, in the table ``decision``.
    """
    lines = [f"# In force: {config.path}", *(f"# and {option} {path}" for path, option in config.flags.items())]
    for table, group in groupby(_gathered(settings), lambda setting: setting.table):
        lines += ["", _head(table), *map(_line, group)]
    return "\n".join(lines) + "\n"


def _head(table: str) -> str:
    """``[mqtt]``; of one of several sources ``[[source]]``, and of a table in it ``[source.watch]``."""
    bare = _NUMBER.sub("", table)
    return f"[[{bare}]]" if table.endswith("]") else f"[{bare}]"


def _line(setting: Setting) -> str:
    name = key_written(setting.name)
    if setting.value is None:
        return f"# {name}: not set"
    secret = "# " if setting.value == HIDDEN else ""
    return f"{f'{secret}{name} = {written(setting.value)}':<{_COLUMN}}  # {setting.origin}"


def _gathered(settings: Iterable[Setting]) -> Iterable[Setting]:
    """The settings, with what most keywords of a source have in common in its table ``decision`` instead."""
    settings = list(settings)
    common: dict[tuple[str, str], Setting] = {}
    for (source, name), group in _by_name(settings).items():
        (value, origin), count = Counter((setting.value, setting.origin) for setting in group).most_common(1)[0]
        if count > 1:
            common[source, name] = Setting(f"{source}decision", name, value, origin)
    for setting in settings:
        match = _KEYWORD.fullmatch(setting.table)
        shared = match and common.get((match["source"] or "", setting.name))
        if not shared or replace(shared, table=setting.table) != setting:
            yield setting
        if setting.name == "hop":
            yield from (shared for shared in common.values() if shared.table == setting.table)


def _by_name(settings: Iterable[Setting]) -> dict[tuple[str, str], list[Setting]]:
    """The settings of keywords, by their source and name."""
    groups: dict[tuple[str, str], list[Setting]] = {}
    for setting in settings:
        if match := _KEYWORD.fullmatch(setting.table):
            groups.setdefault((match["source"] or "", setting.name), []).append(setting)
    return groups
