"""Writing TOML, as far as a configuration goes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def written(value: object) -> str:
    """A value as TOML has it.

    Args:
        value: text, a number, a truth, or a list or table of them.
    """
    if isinstance(value, str):
        # JSON's escapes are TOML's too, but TOML wants one character more of them.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key_written(name)} = {written(item)}' for name, item in value.items())}}}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(written, value))}]"
    return json.dumps(value)


def key_written(name: str) -> str:
    """A key, in quotes where it needs them."""
    return name if _BARE.fullmatch(name) else written(name)
