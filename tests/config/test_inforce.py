"""The settings in force, written and read back, for configurations of all kinds."""

from __future__ import annotations

import tempfile
import tomllib
from pathlib import Path
from typing import Any

from hypothesis import given, reject, settings
from hypothesis import strategies as st

from kws.config.inforce import Setting, in_force
from kws.config.provenance import BUILT_IN
from kws.config.reading import read_config
from kws.config.schema import Config
from kws.config.writing import as_toml, written
from kws.decision import read_options, resolve
from kws.errors import UsageError
from kws.features.front_end import FrontEnd
from kws.inference.model import Description

MODEL = Description(
    format=1,
    name="toy",
    version="1",
    labels=("_silence_", "_unknown_", "on", "off", "go go"),
    front_end=FrontEnd(),
    sha256={},
    decision={"keyword": {"off": {"threshold": 0.9, "release": 0.3}}},
)

text = st.text(st.characters(codec="utf-8"), max_size=12)
values = st.recursive(
    text | st.integers(-(10**9), 10**9) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)


@given(values)
def test_any_value_is_read_back_as_it_was_written(value: object) -> None:
    assert tomllib.loads(f"value = {written(value)}")["value"] == value


keyword = st.fixed_dictionaries(
    {},
    optional={
        "threshold": st.floats(0.5, 1),
        "near": st.floats(0.3, 0.3),
        "release": st.floats(0.1, 0.3),
        "patience": st.integers(1, 5),
        "quiet_before": st.floats(0, 1),
    },
)
layer = st.fixed_dictionaries(
    {},
    optional={
        "decision": keyword,
        "keyword": st.dictionaries(st.sampled_from(["on", "off", "go go"]), keyword, max_size=2),
        "gate": st.fixed_dictionaries({"wake_words": st.lists(st.sampled_from(["on", "off"]), max_size=2)}),
    },
)
watch = st.fixed_dictionaries({}, optional={"stall": st.floats(1, 9), "silence": st.integers(0, 99)})


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, Any]:
    tables: dict[str, Any] = draw(layer)
    count = draw(st.integers(1, 3))
    sources = []
    for number in range(count):
        source = {**draw(layer), "watch": draw(watch), "site": f"site{number}"}
        if draw(st.booleans()):
            source["device"] = draw(text.filter(bool))
        sources.append(source)
    tables["source"] = sources if count > 1 or draw(st.booleans()) else sources[0]
    tables["watch"] = draw(watch)
    if draw(st.booleans()):
        for source in sources:
            source["home_assistant"] = draw(st.fixed_dictionaries({}, optional={"name": text.filter(bool)}))
        tables["mqtt"] = {
            "prefix": draw(st.sampled_from(["kws", "home/voice", "küche"])),
            "max_age": draw(st.floats(0.1, 9)),
        }
    if draw(st.booleans()):
        tables["exec"] = {"command": draw(text), "commands": {"go go": draw(st.lists(text))}}
    return tables


def read(folder: str, toml: str) -> Config:
    path = Path(folder, "kws.toml")
    path.write_text(toml, encoding="utf-8")
    return read_config(path)


def bare(found: list[Setting]) -> list[tuple[str, object]]:
    return [(setting.key, setting.value) for setting in found]


@settings(deadline=None)
@given(configurations())
def test_what_is_in_force_is_in_force_again_when_it_is_read_back(tables: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        toml = "".join(f"{name} = {written(table)}\n" for name, table in tables.items())
        before = read(folder, toml)
        try:
            found = in_force(before, MODEL, {})
        except UsageError:  # settings that do not go together
            reject()
        after = read(folder, as_toml(before, found))
        assert bare(in_force(after, MODEL, {})) == bare(found)
        for one, other in zip(before.sources, after.sources, strict=True):
            model = {"model.json": read_options(MODEL.decision)}
            assert resolve(MODEL.labels, {**model, **before.layers(one)}) == resolve(
                MODEL.labels, {**model, **after.layers(other)}
            )
            assert one.watch == other.watch
            assert before.publishing(one) == after.publishing(other)
        # A value that the file sets comes from the file; any other is built in.
        for setting in found:
            if setting.table == "mqtt" and setting.value is not None:
                said = setting.name in tables.get("mqtt", {})
                assert setting.origin == (str(before.provenance.path) if said else BUILT_IN)
