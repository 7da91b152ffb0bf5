"""The training loop, with a learner that learns nothing."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from rich.console import Console

pytest.importorskip("scipy", reason="training needs the extra 'train'")
from kws.errors import UsageError
from kws.training.prepare import Folders
from kws.training.recipe import Mix, Optimiser, Recipe
from kws.training.runs import Run
from kws.training.train import Answer, Report, train
from kws.training.workers import Part
from kws.types import Float32Array
from tests.support.tone_words import write_words

pytestmark = pytest.mark.training

RECIPE = Recipe(
    name="tones",
    keywords=("low", "high"),
    other_words=("other",),
    front_end="log-mel-small",
    mix=Mix(speech=0.0),
    optimiser=Optimiser(clips=64, batch=8),
)


class Counter:
    """Counts its steps, and calls everything the other word, which is unknown."""

    framework: ClassVar[str] = "Counter"
    stop_after: ClassVar[int] = 1_000
    seen: ClassVar[list[int]] = []

    def __init__(self, recipe: Recipe, examples: Float32Array, start: object = None) -> None:
        assert start is None
        self.device = "paper"
        self._outputs = recipe.outputs
        self._shape = examples.shape[1:]
        self._steps = np.zeros(1, np.int64)

    def step(self, parts: Sequence[Part], clips: int) -> Answer:
        assert sum(len(part.targets) for part in parts) == 8
        assert all(part.augmented.shape[1:] == self._shape for part in parts)
        if self._steps[0] == self.stop_after:
            raise KeyboardInterrupt
        self._steps += 1
        self.seen.append(clips)
        return lambda: (1.5, np.zeros(8, np.float32))

    def posteriors(self, images: Float32Array) -> Float32Array:
        return np.tile(np.eye(self._outputs, dtype=np.float32)[-1], (len(images), 1))

    def weights(self) -> dict[str, list[Float32Array]]:
        return {"posteriors": [np.ones(3, np.float32), np.zeros(2, np.float32)]}

    def state(self) -> list[npt.NDArray[Any]]:
        return [self._steps]

    def restore(self, state: Sequence[npt.NDArray[Any]]) -> None:
        self._steps = state[0]


@pytest.fixture
def learner(monkeypatch: pytest.MonkeyPatch) -> type[Counter]:
    monkeypatch.setattr(Counter, "seen", [])
    return Counter


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    write_words(folder, speakers=20)
    return folder


def trained(words: Path, run: Path, recipe: Recipe = RECIPE) -> str:
    """Return the output of the console."""
    shown = io.StringIO()
    report = Report(Console(file=shown, width=60))
    train(recipe, Folders(words=[words]), run, report, framework="Counter", load_learner=lambda: Counter)
    return shown.getvalue()


def test_all_clips_are_learned_from_and_the_run_is_kept(learner: type[Counter], words: Path, tmp_path: Path) -> None:
    shown = trained(words, tmp_path)
    assert learner.seen == list(range(0, 64, 8))
    assert "Training with Counter on paper" in shown
    assert "64 clips  loss 1.500  held out" in shown
    (entry,) = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert entry["clips"] == 64
    assert 0.2 < entry["accuracy"] < 0.5  # one word in three, and some silence
    checkpoint = Run(tmp_path).checkpoint()
    assert checkpoint is not None
    assert (checkpoint.framework, checkpoint.clips) == ("Counter", 64)
    assert [values.tolist() for values in checkpoint.weights["posteriors"]] == [[1, 1, 1], [0, 0]]
    assert checkpoint.state[0].tolist() == [8]
    assert Run(tmp_path).recipe() == RECIPE


def test_a_stopped_run_goes_on(
    learner: type[Counter], words: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learner, "stop_after", 3)
    with pytest.raises(KeyboardInterrupt):
        trained(words, tmp_path)
    monkeypatch.setattr(learner, "stop_after", 1_000)
    trained(words, tmp_path)
    assert learner.seen == list(range(0, 64, 8))
    checkpoint = Run(tmp_path).checkpoint()
    assert checkpoint is not None
    assert checkpoint.state[0].tolist() == [8]


def test_a_finished_run_says_so_and_goes_on_for_more(learner: type[Counter], words: Path, tmp_path: Path) -> None:
    trained(words, tmp_path)
    shown = trained(words, tmp_path)
    assert "already learned from 64 clips" in shown
    assert "--clips 128" in shown
    assert len(learner.seen) == 8
    longer = msgspec.structs.replace(RECIPE, optimiser=msgspec.structs.replace(RECIPE.optimiser, clips=128))
    trained(words, tmp_path, longer)
    assert learner.seen == list(range(0, 128, 8))


def test_what_cannot_be_done_is_said_before_the_reading(learner: type[Counter], words: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="another network"):
        trained(words, tmp_path / "a", msgspec.structs.replace(RECIPE, start="commands"))
    trained(words, tmp_path / "b")
    with pytest.raises(UsageError, match="holds a run of another recipe"):
        trained(words, tmp_path / "b", msgspec.structs.replace(RECIPE, keywords=("low",)))
    assert len(learner.seen) == 8
