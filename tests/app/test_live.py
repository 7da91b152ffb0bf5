"""``kws listen --live``: what it shows in a terminal is what was heard."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console

from kws.app.live import LiveView
from kws.audio.file import FileSource
from kws.decision import resolve
from kws.decision.recommended import recommended
from kws.inference.model import Model
from kws.pipeline.pipeline import Pipeline
from tests.support.program import COMMAND, error, kws
from tests.support.terminal import in_terminal
from tests.support.toy_model import tone, write_model

RATE = 16000


def write_sound(path: Path) -> Path:
    rest = np.random.default_rng(3).standard_normal(RATE).astype(np.float32) * np.float32(1e-3)
    soundfile.write(path, np.concatenate([rest, tone("on"), rest, tone("stop")]), RATE)
    return path


def test_it_shows_the_level_the_best_keywords_and_what_was_heard(tmp_path: Path) -> None:
    model = Model(write_model(tmp_path / "model"))
    pipeline = Pipeline(model, resolve(model.labels, {"model": recommended(model.description)}))
    view = LiveView(lambda: pipeline, Console(file=io.StringIO()))
    with FileSource(write_sound(tmp_path / "sound.wav")) as source:
        view.opened("kitchen", source.name, source.rate)
        steps = pipeline.run(source)
        for step in steps:
            if step.scored:
                view.window("kitchen", step.scored)
            for fired in step.decision.fired:
                view.detected("kitchen", pipeline.detection(fired))
            if step.decision.fired and step.decision.fired[0].keyword == "stop":
                break
    console = Console(file=io.StringIO(), width=100)
    console.print(view._draw())
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert lines[0] == f"hears {source.name}"
    assert re.fullmatch(r"level .* -\d+ dB", lines[1].rstrip())
    keyword, score = lines[2].split()[0], float(lines[2].split()[-1])
    assert (keyword, score >= 0.8) == ("stop", True)
    assert [line.split()[2] for line in lines[5:]] == ["on", "stop"]


def test_it_shows_that_the_microphone_is_muted_and_that_it_is_heard_again(tmp_path: Path) -> None:
    model = Model(write_model(tmp_path / "model"))
    view = LiveView(lambda: Pipeline(model, resolve(model.labels, {})), Console(file=io.StringIO()))
    view.opened("kitchen", "USB Audio", RATE)
    view.lost("kitchen", "USB Audio delivers nothing but zeros; is it muted?")
    assert str(view._state) == "USB Audio delivers nothing but zeros; is it muted?"
    view.recovered("kitchen")
    assert str(view._state) == "hears USB Audio"


def test_it_needs_a_terminal_and_prints_no_lines_there(tmp_path: Path) -> None:
    model, sound = write_model(tmp_path / "model"), write_sound(tmp_path / "sound.wav")
    assert error(kws("listen", sound, "--model", model, "--live"), 2) == "--live needs a terminal for standard error"
    code, text, _ = in_terminal([*COMMAND, "listen", sound, "--model", model, "--live"])
    assert code == 0
    assert "hears" in text
    assert re.search(r"s  stop  \d+%", text)
    assert "{" not in text
