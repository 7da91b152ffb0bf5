"""The examples of the README and of docs/ work with the shipped model."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kws.audio.file import FileSource
from kws.cli import parser
from kws.decision import read_options, resolve
from kws.decision.recommended import recommended
from kws.inference.model import Model
from kws.pipeline.pipeline import Pipeline
from kws.types import Detection
from tests.support import ROOT
from tests.support.program import kws

DEMO = ROOT / "kws" / "data" / "demo.flac"
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

#: Words in the demo. Settings that find fewer than `ENOUGH` make the model nearly deaf.
WORDS = 14
ENOUGH = WORDS - 1
#: With a gate: "computer", and the two commands within five seconds after it.
ENOUGH_BEHIND_A_GATE = 3

#: Options that name something which is not here, each with a value; examples run without them.
ELSEWHERE = {
    "--device",
    "--channel",
    "--channels",
    "--rate",
    "--mqtt",
    "--site",
    "--exec",
    "--settings",
    "--metrics",
    "--wyoming",
    "--monitor",
}


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Yield each block in this language: the name of its page, and its text."""
    for page in PAGES:
        for text in re.findall(
            rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
        ):
            yield page.name, text


def commands() -> Iterator[list[str]]:
    """Yield the arguments of every command ``kws`` in a shell block."""
    for _, text in blocks("sh"):
        for line in text.replace("\\\n", " ").splitlines():
            lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
            lexer.whitespace_split = True
            stage: list[str] = []
            for word in [*lexer, ";"]:
                if word not in ("|", "&&", ";"):
                    stage.append(word)
                    continue
                if stage[:1] == ["sudo"]:
                    stage.pop(0)
                if stage[:1] == ["kws"]:
                    yield stage[1:]
                stage = []


COMMANDS = {shlex.join(command): command for command in commands()}


def without(command: list[str], options: set[str]) -> list[str]:
    """Return the command without these options and their values."""
    drop = {index + offset for index, word in enumerate(command) if word in options for offset in (0, 1)}
    return [word for index, word in enumerate(command) if index not in drop]


def test_there_are_examples() -> None:
    assert {command[0] for command in COMMANDS.values()} == {
        "listen", "run", "wyoming", "check", "config", "evaluate", "mix", "train", "export", "bench",
    }  # fmt: skip


@pytest.mark.parametrize("command", list(COMMANDS.values()), ids=list(COMMANDS))
def test_every_command_line_is_one(command: list[str]) -> None:
    parser(command[0]).parse_args(command)


LISTEN = {name: command for name, command in COMMANDS.items() if command[0] == "listen" and "models/mine" not in name}


@pytest.mark.parametrize("command", list(LISTEN.values()), ids=list(LISTEN))
def test_listening_as_shown_finds_the_words_of_the_demo(command: list[str], tmp_path: Path) -> None:
    rest = [word for word in without(command[1:], ELSEWHERE) if word not in ("-", "recording.flac")]
    done = kws("listen", *rest, "--demo", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= enough(command)


def enough(command: list[str]) -> int:
    """Return how many words of the demo a command must find at least."""
    if "--wake-word" in command:
        return ENOUGH_BEHIND_A_GATE
    if "--keywords" in command:
        words = command[command.index("--keywords") + 1].split(",")
        said = [line.split("\t")[2] for line in DEMO.with_suffix(".tsv").read_text().splitlines()]
        return sum(word in words for word in said)
    return ENOUGH


RUN = {name: command for name, command in COMMANDS.items() if command[0] == "run" and "--forget" not in command}


@pytest.mark.parametrize("command", list(RUN.values()), ids=list(RUN))
def test_the_service_as_shown_finds_the_words_of_the_demo(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "kws.toml").write_text(f'[source]\ninput = "{DEMO}"\n[stdout]\n')
    rest = without(command[1:], ELSEWHERE | {"--config", "--model"})
    done = kws("run", "--config", "kws.toml", *rest, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= ENOUGH


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(ROOT / "models" / "commands")


def decided(model: Model, tables: dict[str, Any]) -> list[Detection]:
    """Return the detections in the demo, with these tables over what the model recommends."""
    known: dict[str, Any] = {name: tables[name] for name in ("decision", "keyword", "gate") if name in tables}
    layers = {"model": recommended(model.description), "page": read_options(known)}
    pipeline = Pipeline(model, resolve(model.labels, layers))
    with FileSource(DEMO) as source:
        return [pipeline.detection(fired) for step in pipeline.run(source) for fired in step.decision.fired]


def decisions() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the page and the decision settings of each TOML example, those of each source over those of its file."""
    for page, text in blocks("toml"):
        tables = tomllib.loads(text)
        for source in [{}, *(tables["source"] if isinstance(tables.get("source"), list) else [])]:
            settings = {name: tables.get(name, {}) | source.get(name, {}) for name in ("decision", "keyword", "gate")}
            if any(settings.values()):
                yield page, settings


@pytest.mark.parametrize(("page", "tables"), list(decisions()))
def test_settings_as_shown_find_the_words_of_the_demo(model: Model, page: str, tables: dict[str, Any]) -> None:
    found = decided(model, tables)
    assert len(found) >= (ENOUGH_BEHIND_A_GATE if tables["gate"] else ENOUGH), page


def test_the_settings_of_the_example_find_the_words_of_the_demo(model: Model) -> None:
    """Those that are commented out, all together, except the gate, the list of keywords and the quiet after a word."""
    text = (ROOT / "docs" / "kws.example.toml").read_text(encoding="utf-8")
    lines = re.findall(r"^#?(\[.*\]|\w+ = .*)", text, re.MULTILINE)
    tables = tomllib.loads("\n".join(line for line in lines if not line.startswith(("quiet_after", "keywords"))))
    assert len(decided(model, {**tables, "gate": {}})) >= ENOUGH


def test_automations_ask_for_scores_that_there_are(model: Model) -> None:
    text = (ROOT / "docs" / "mqtt.md").read_text(encoding="utf-8")
    conditions = re.findall(r"event_type == '(\w+)' and .*score > ([\d.]+)", text)
    assert conditions
    found = decided(model, {})
    for keyword, score in conditions:
        assert any(one.keyword == keyword and one.score > float(score) for one in found)


def test_the_picture_of_the_packages_is_of_today() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "draw-imports", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
