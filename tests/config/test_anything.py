"""Whatever somebody writes: it is a configuration, or what is wrong with it is one line."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kws.common.tables import key_written
from kws.config.overrides import parse_set
from kws.config.reading import read_config
from kws.config.schema import TABLES
from kws.config.writing import written
from kws.decision import Options
from kws.errors import UsageError

text = st.text(st.characters(codec="utf-8"), max_size=12)
names = st.sampled_from(["source", "keyword", "command", "commands", "x\ny", "site", "device", "password", *TABLES])
settings_of = st.sampled_from(sorted({key for kind in TABLES.values() for key in kind.__struct_fields__}))
anything = st.recursive(
    text | st.integers() | st.booleans() | st.floats() | st.dates() | st.just(""),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names | settings_of | text, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*TABLES, *Options.__struct_fields__, "source"]),
        anything | st.dictionaries(settings_of, anything) | st.lists(st.dictionaries(settings_of, anything)),
        max_size=4,
    ),
    st.lists(st.tuples(names, settings_of, text), max_size=2),
)
def test_whatever_is_written_is_a_configuration_or_one_line(
    tables: dict[str, Any], said: list[tuple[str, str, str]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kws.toml")
        path.write_text("".join(f"{name} = {fuzzed(table)}\n" for name, table in tables.items()), encoding="utf-8")
        problem = ""
        try:
            config = read_config(path, [parse_set(f"{table}.{key}={value}") for table, key, value in said])
            assert config.sources
        except UsageError as error:
            problem = str(error)
        assert "\n" not in problem


def fuzzed(value: object) -> str:
    """As TOML, with what a configuration never holds: dates, and numbers that are none."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list):
        return f"[{', '.join(map(fuzzed, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key_written(name)} = {fuzzed(item)}' for name, item in value.items())}}}"
    return written(value)


@pytest.mark.process
def test_a_configuration_is_read_without_a_microphone_a_broker_or_a_network() -> None:
    script = (
        "import sys\n"
        "for name in ('sounddevice', 'paho', 'tensorflow', 'ai_edge_litert', 'soundfile', 'soxr', 'rich'):\n"
        "    sys.modules[name] = None\n"
        "from pathlib import Path\n"
        "from kws.config.reading import read_config\n"
        "print(read_config(Path('docs/kws.example.toml')).mqtt.url)\n"
    )
    root = Path(__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, check=True,
        capture_output=True, text=True,
    )  # fmt: skip
    assert result.stdout == "mqtt://localhost\n"
