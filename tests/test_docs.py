"""The examples of the README and of docs/ work with the shipped model."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import soundfile

from kws.audio.file import FileSource
from kws.cli import parser
from kws.decision import Fired, read_options, resolve
from kws.decision.recommended import recommended
from kws.enroll.word_file import write_word
from kws.evaluation.posterior_cache import PosteriorCache
from kws.inference.model import Model
from kws.pipeline.pipeline import hear, score
from tests.enroll.test_word_file import word_of
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
    "--gain",
    "--wyoming",
    "--monitor",
    "--word",
}


#: By how much figures may differ on another processor: of scores, and of seconds.
ALIKE = 0.03

_NUMBER = re.compile(r"\d+\.\d+")


def numbers(text: str) -> list[float]:
    return [float(number) for number in _NUMBER.findall(text)]


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
        "listen", "run", "scan", "enroll", "wyoming", "check", "config", "evaluate", "mix", "train", "export", "bench",
    }  # fmt: skip


@pytest.mark.parametrize("command", list(COMMANDS.values()), ids=list(COMMANDS))
def test_every_command_line_is_one(command: list[str]) -> None:
    parser(command[0]).parse_args(command)


LISTEN = {name: command for name, command in COMMANDS.items() if command[0] == "listen" and "models/mine" not in name}


@pytest.mark.parametrize("command", list(LISTEN.values()), ids=list(LISTEN))
def test_listening_as_shown_finds_the_words_of_the_demo(command: list[str]) -> None:
    rest = [
        word
        for word in without(command[1:], ELSEWHERE)
        if word not in ("-", "--live", "recording.flac", "rtsp://camera.local/stream")
    ]
    assert detections("listen", *rest, "--demo") >= enough(command)


@cache
def detections(*arguments: str) -> int:
    """Return how many detections a command prints. Examples that differ in what is elsewhere run once."""
    with TemporaryDirectory() as folder:
        Path(folder, "kws.toml").write_text(f'[source]\ninput = "{DEMO}"\n[stdout]\n')
        done = kws(*arguments, cwd=Path(folder))
    assert done.returncode == 0, done.stderr
    return len(done.stdout.splitlines())


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
def test_the_service_as_shown_finds_the_words_of_the_demo(command: list[str]) -> None:
    rest = without(command[1:], ELSEWHERE | {"--config", "--model"})
    assert detections("run", "--config", "kws.toml", *rest) >= ENOUGH


def test_detections_as_shown_are_those_of_the_demo() -> None:
    """A line of JSON in the README, and rows of a table in docs/scan.md."""
    heard = [line.split("\t")[:4] for line in kws("listen", "--demo", "--format", "tsv").stdout.splitlines()]
    shown = [
        [str(json.loads(line)[field]) for field in ("keyword", "score", "start", "end")]
        for line in re.findall(r"^\{.*\}$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    ]
    rows = re.findall(r"^recordings/\S+\.wav,(\w.*),$", (ROOT / "docs" / "scan.md").read_text("utf-8"), re.MULTILINE)
    shown += [row.split(",") for row in rows]
    assert len(shown) >= 3
    for word, *figures in shown:
        expected = pytest.approx([float(figure) for figure in figures], abs=ALIKE)
        assert any(word == found and [float(one) for one in rest] == expected for found, *rest in heard)


def test_no_help_shows_a_threshold_at_which_a_model_that_ships_is_nearly_deaf() -> None:
    texts = (ROOT / "kws" / "cli").glob("*.py")
    shown = [
        float(value)
        for path in texts
        for value in re.findall(r"threshold[= ](?:\w+=)?(0\.\d+)", path.read_text("utf-8"))
    ]
    assert shown
    assert max(shown) <= 0.7


SCAN = {name: command for name, command in COMMANDS.items() if command[0] == "scan"}


@pytest.mark.parametrize("command", list(SCAN.values()), ids=list(SCAN))
def test_scanning_as_shown_finds_words(command: list[str], tmp_path: Path) -> None:
    for file in ("recordings/a.flac", "calls.flac"):
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(DEMO.read_bytes())
    rest = [word.removeprefix("/mnt/") for word in without(command, {"--word", "--scheduler"})]
    done = kws(*rest, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    out = rest[rest.index("--out") + 1] if "--out" in rest else None
    found = (tmp_path / out).read_text() if out else done.stdout
    assert "recordings/a.flac" in found
    assert "computer" in found


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(ROOT / "models" / "commands")


@cache
def posteriors(model: Model, hop: float) -> PosteriorCache:
    with FileSource(DEMO) as source:
        windows = list(score(model, round(hop * 16000), hear(source, model)))
    rows = np.stack([window.posteriors for window in windows])
    levels = [window.level for window in windows]
    return PosteriorCache(model.labels, rows, first_end=windows[0].end, levels=levels)


def decided(model: Model, tables: dict[str, Any]) -> list[Fired]:
    """Return the keywords that fire in the demo, with these tables over what the model recommends."""
    known: dict[str, Any] = {name: tables[name] for name in ("decision", "keyword", "gate") if name in tables}
    settings = resolve(model.labels, {"model": recommended(model.description), "page": read_options(known)})
    return [fired for decision in posteriors(model, settings.hop).decide(settings) for fired in decision.fired]


def decisions() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the page and the decision settings of each TOML example, those of each source over those of its file."""
    for page, text in blocks("toml"):
        tables = tomllib.loads(text)
        for source in [{}, *(tables["source"] if isinstance(tables.get("source"), list) else [])]:
            settings = {name: tables.get(name, {}) | source.get(name, {}) for name in ("decision", "keyword", "gate")}
            if any(settings.values()):
                yield page, settings


def programs() -> Iterator[tuple[str, str]]:
    """Yield each Python example, and what its page says that it prints."""
    example = re.compile(r"^```python\n(.*?)^```$(?:\n\n```\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
    for page in PAGES:
        yield from example.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("text", "printed"), list(programs()))
def test_python_as_shown_prints_what_the_page_says(
    text: str, printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder with a recording of three words, which the microphone hears too."""
    monkeypatch.chdir(tmp_path)
    samples, rate = soundfile.read(DEMO, stop=6 * 16000)
    soundfile.write("recording.flac", samples, rate)
    write_word(Path("good-night.json"), word_of(Model(ROOT / "models" / "commands-small"), "good night"))
    monkeypatch.setattr("kws.app.build.open_source", lambda *_, **__: FileSource("recording.flac"))
    exec(compile(text, "example", "exec"), {})  # noqa: S102 - our own page
    shown, expected = capsys.readouterr().out, printed
    assert _NUMBER.sub("#", shown) == _NUMBER.sub("#", expected)
    assert numbers(shown) == pytest.approx(numbers(expected), abs=ALIKE)


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
    for keyword, least in conditions:
        assert any(one.keyword == keyword and one.score > float(least) for one in found)


def test_the_picture_of_the_packages_is_of_today() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "draw-imports", "--check"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
