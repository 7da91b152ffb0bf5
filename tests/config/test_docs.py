"""The examples of docs/configuration.md are true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kws.cli.flags import RUN
from kws.config.overrides import parse_set
from kws.config.reading import read_config
from kws.config.schema import TABLES
from kws.decision import GateOptions
from kws.errors import UsageError
from kws.publishers.mqtt.homeassistant import HomeAssistantOptions
from kws.publishers.mqtt.settings import MqttOptions

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "configuration.md").read_text()
EXAMPLES = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_can_be_used_as_they_are(tmp_path: Path, example: str) -> None:
    path = tmp_path / "kws.toml"
    path.write_text(example)
    assert read_config(path).mqtt


def test_the_one_with_several_microphones_says_what_its_comments_say(tmp_path: Path) -> None:
    path = tmp_path / "kws.toml"
    path.write_text(EXAMPLES[1])
    config = read_config(path)
    kitchen, hall = config.sources
    assert config.publishing(kitchen)[:2] == (
        MqttOptions(url="mqtt://broker.local", site="kitchen"),
        HomeAssistantOptions(name="Kitchen microphone", area="Kitchen"),
    )
    assert hall.keyword["on"].threshold == 0.6
    assert hall.gate == GateOptions(wake_words=("computer",))
    assert (kitchen.watch.silence > 0, hall.watch.silence) == (True, 0)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[mqtt]\nkeepalive = 1", []),
        ("[source]\ndevise = 'x'", []),
        ("[[source]]\n[[source]]\n[source.gate]\nseconds = 0", []),
        ("", ["log.level=warn"]),
    ],
)
def test_the_errors_are_as_they_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toml: str, said: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("kws.toml").write_text(toml)
    with pytest.raises(UsageError) as error:
        read_config(Path("kws.toml"), [parse_set(text) for text in said])
    shown = [line.removeprefix("kws: ").removesuffix("...") for line in TEXT.splitlines() if line.startswith("kws: ")]
    assert any(str(error.value).startswith(line) for line in shown), str(error.value)


def test_every_flag_and_every_table_is_told() -> None:
    flags = dict(re.findall(r"^\| `(--[a-z-]+) [A-Z]+` \| `([a-z.]+)` \|$", TEXT, re.MULTILINE))
    assert flags == {flag.option: flag.path for flag in RUN}
    for table in ("source", "decision", "gate", *TABLES):
        assert f"`{table}`" in TEXT, table
