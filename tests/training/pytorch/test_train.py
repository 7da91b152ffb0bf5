"""From a folder of words to a model through PyTorch, by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs the extra 'train'")
pytest.importorskip("torch", reason="needs the extra 'pytorch'")
import torch

from kws.inference.model import Model, read_description
from kws.training.pytorch.network import EfficientNet, set_weights
from kws.training.recipe import read_recipe
from kws.training.runs import Run
from tests.support.once import made_once
from tests.support.tone_words import write_words
from tests.support.training import SMALL, kws

pytestmark = pytest.mark.training

ENSEMBLE = """
[teaching]
share = 0.3
[[teaching.ensemble]]
variant = "original"
width = 0.2
depth = 0.3
drop_connect = 0.0
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with words, a run with an ensemble that was stopped and resumed, and the model that it became."""

    def make(folder: Path) -> None:
        write_words(folder / "words", speakers=40)
        (folder / "recipe.toml").write_text(SMALL + ENSEMBLE, encoding="utf-8")
        arguments = ["train", "--recipe", folder / "recipe.toml", "--data", folder / "words", "--run", folder / "run"]
        kws(*arguments, "--clips", 512)
        done = kws(*arguments)
        assert "Training with PyTorch on the processor" in done.stderr or torch.cuda.is_available()
        kws("export", folder / "run", folder / "model", "--networks", "int8,float32")

    return made_once(tmp_path_factory, "ensemble", make)


def test_a_stopped_run_goes_on_and_keeps_its_history(trained: Path) -> None:
    history = [json.loads(line) for line in (trained / "run/history.jsonl").read_text().splitlines()]
    clips = [entry["clips"] for entry in history]
    assert clips == sorted(set(clips))
    assert 512 in clips  # where it was stopped; a slow computer writes more lines
    assert clips[-1] == 9600
    assert history[-1]["accuracy"] > 0.9


def test_the_model_is_the_network_that_has_learnt(trained: Path) -> None:
    recipe = read_recipe(trained / "run/recipe.json")
    network = EfficientNet(recipe.network, recipe.resolved_front_end.shape, recipe.outputs).eval()
    checkpoint = Run(trained / "run").checkpoint()
    assert checkpoint is not None
    set_weights(network, checkpoint.weights)
    assert checkpoint.clips == read_description(trained / "model").training["clips"] == 9600
    model = Model(trained / "model/model-float32.tflite")
    for image in np.load(trained / "run/examples.npy")[:20]:
        with torch.no_grad():
            expected = torch.softmax(network(torch.from_numpy(image[None])), 1)[0].numpy()
        expected[1] += expected[4]  # the other word that has a label of its own
        expected = expected[:4]
        np.testing.assert_allclose(model.network(image), expected, atol=1e-4)


@pytest.mark.parametrize("network", ["model.tflite", "model-float32.tflite"])
def test_the_model_hears_the_words(trained: Path, network: str) -> None:
    done = kws("evaluate", "clips", trained / "words", "--model", trained / "model" / network, "--json")
    assert json.loads(done.stdout)["accuracy"] > 0.9


def test_the_card_tells_of_the_ensemble(trained: Path) -> None:
    assert read_description(trained / "model").training["teaching"]["ensemble"][0]["variant"] == "original"
    assert "in an ensemble with 1 other network" in (trained / "model/README.md").read_text(encoding="utf-8")


def test_what_is_not_done_is_refused_in_one_line(trained: Path, tmp_path: Path) -> None:
    words = trained / "words"
    (tmp_path / "recipe.toml").write_text(SMALL, encoding="utf-8")
    alone = ["train", "--recipe", tmp_path / "recipe.toml", "--data", words, "--run", tmp_path / "tensorflow"]
    kws(*alone, "--clips", 32)
    assert "holds a run of TensorFlow" in kws(*alone, "--pytorch", fails=2).stderr
    alone[-1] = trained / "run"
    assert "holds a run of PyTorch" in kws(*alone, fails=2).stderr
    done = kws("train", "--pytorch", "--start", trained / "model", "--data", words, "--run", tmp_path / "b", fails=2)
    assert "PyTorch begins with random weights; train without --pytorch" in done.stderr
