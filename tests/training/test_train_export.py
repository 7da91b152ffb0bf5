"""From a folder of words to a model that spots them, through the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws.features.front_end import ARTICLE
from kws.inference.model import Model, read_description
from tests.support.once import made_once
from tests.support.tone_words import PITCHES, RATE, tone, write_words
from tests.support.training import SMALL, kws

pytest.importorskip("tensorflow", reason="training needs the extra 'train'")
from kws.training.export import load_network
from kws.training.recipe import read_recipe
from kws.training.runs import Run

pytestmark = pytest.mark.training


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with words, a run that was stopped and resumed, and the model that it became."""

    def make(folder: Path) -> None:
        write_words(folder / "words", speakers=40)
        (folder / "recipe.toml").write_text(SMALL, encoding="utf-8")
        arguments = ["train", "--recipe", folder / "recipe.toml", "--data", folder / "words", "--run", folder / "run"]
        kws(*arguments, "--clips", 512)
        kws(*arguments)
        kws("export", folder / "run", folder / "model")

    return made_once(tmp_path_factory, "tones", make)


def test_a_stopped_run_goes_on_and_keeps_its_history(trained: Path) -> None:
    history = [json.loads(line) for line in (trained / "run/history.jsonl").read_text().splitlines()]
    clips = [entry["clips"] for entry in history]
    assert clips == sorted(set(clips))
    assert 512 in clips  # where it was stopped; a slow computer writes more lines
    assert clips[-1] == 9600
    assert history[-1]["accuracy"] > 0.9


def test_a_checkpoint_holds_all_that_decides_what_the_network_says(trained: Path) -> None:
    run = trained / "run"
    network, clips = load_network(Run(run))
    assert clips == 9600
    examples = np.load(run / "examples.npy")
    # The first thing in the network: without it, what follows hears numbers that it was not trained on.
    normalised = network.get_layer("normalisation")(examples).numpy()
    assert np.abs(normalised.mean(axis=(0, 1, 3))).max() < 0.05
    assert np.abs(normalised.std(axis=(0, 1, 3)) - 1).max() < 0.05


def test_a_run_of_another_recipe_is_not_touched(trained: Path) -> None:
    arguments = ["--recipe", trained / "recipe.toml", "--data", trained / "words", "--run", trained / "run"]
    done = kws("train", *arguments, "--width", 0.3, fails=2)
    assert done.stderr.startswith(f"kws: {trained / 'run'} holds a run of another recipe")


@pytest.mark.parametrize("network", ["model.tflite", "model-float32.tflite", "model-dynamic.tflite"])
def test_every_network_of_the_export_hears_the_words(trained: Path, network: str) -> None:
    model = Model(trained / "model" / network)
    assert model.labels == ("_silence_", "_unknown_", "low", "high")
    for word, label in (("low", "low"), ("high", "high"), ("other", "_unknown_")):
        clip = np.pad(tone(PITCHES[word], 0.4), (6000, 3600)).astype(np.float32)
        posteriors = model.posteriors(model.front_end.spectrogram(clip))
        assert posteriors.sum() == pytest.approx(1.0, abs=0.02)
        assert model.labels[posteriors.argmax()] == label


def test_with_equal_priors_the_network_keeps_to_no_label_in_case_of_doubt(trained: Path, tmp_path: Path) -> None:
    """Bayes: the odds of two labels are those of training, times the ratio of their shares in training."""
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(SMALL.replace("[network]", "version = '2.1'\nequal_priors = true\n[network]"), encoding="utf-8")
    kws("export", trained / "run", tmp_path / "equal", "--recipe", recipe, "--networks", "int8,float32")
    before, after = (Model(folder / "model-float32.tflite") for folder in (trained / "model", tmp_path / "equal"))
    assert not before.description.training["equal_priors"]
    assert after.description.training["equal_priors"]
    assert (before.description.version, after.description.version) == ("1.0", "2.1")
    priors = np.array(read_recipe(recipe).mix.priors(2))
    rng = np.random.default_rng(0)
    for level in (1e-3, 1e-2, 1e-1):
        columns = before.front_end.spectrogram(rng.standard_normal(16000).astype(np.float32) * np.float32(level))
        expected = before.posteriors(columns) / priors
        np.testing.assert_allclose(after.posteriors(columns), expected / expected.sum(), atol=1e-5)


def test_a_student_believes_its_teacher_as_far_as_the_recipe_says(trained: Path, tmp_path: Path) -> None:
    """Its labels are all wrong; what the words are it can only have from the teacher."""
    recipe = tmp_path / "recipe.toml"
    equal = SMALL.replace("[network]", "equal_priors = true\n[network]")
    recipe.write_text(equal, encoding="utf-8")
    kws("export", trained / "run", tmp_path / "teacher", "--recipe", recipe, "--networks", "int8,float32")
    teaching = f"[teaching]\nteachers = ['{tmp_path / 'teacher'}']\nshare = 1.0\n"
    recipe.write_text(equal + teaching, encoding="utf-8")
    shutil.copytree(trained / "words", tmp_path / "words")
    for word, other in (("low", "aside"), ("high", "low"), ("aside", "high")):
        (tmp_path / "words" / word).rename(tmp_path / "words" / other)
    kws("train", "--recipe", recipe, "--data", tmp_path / "words", "--run", tmp_path / "run")
    kws("export", tmp_path / "run", tmp_path / "student")
    assert read_description(tmp_path / "student").training["teaching"]["share"] == 1.0
    right, wrong = (
        json.loads(kws("evaluate", "clips", words, "--model", tmp_path / "student", "--json").stdout)["accuracy"]
        for words in (trained / "words", tmp_path / "words")
    )
    assert right > 0.9
    assert wrong < 0.5


def test_the_model_listens(trained: Path, tmp_path: Path) -> None:
    silence = np.zeros(RATE, np.float32)
    stream = np.concatenate([silence, tone(300, 0.4), silence, tone(2400, 0.4), silence, tone(900, 0.4), silence])
    stream += np.random.default_rng(0).standard_normal(len(stream)).astype(np.float32) * np.float32(1e-3)
    soundfile.write(tmp_path / "stream.wav", stream, RATE)
    done = kws("listen", tmp_path / "stream.wav", "--model", trained / "model", "--threshold", 0.6)
    heard = [json.loads(line) for line in done.stdout.splitlines()]
    assert [detection["keyword"] for detection in heard] == ["low", "high"]
    assert heard[0]["end"] == pytest.approx(1.4, abs=0.4)
    assert heard[1]["end"] == pytest.approx(2.8, abs=0.4)


def test_the_card_tells_what_it_is(trained: Path) -> None:
    card = (trained / "model/README.md").read_text(encoding="utf-8")
    for part in ("*low*, *high*", "9,600 one-second windows", "640 samples every 320", "40 mel bands"):
        assert part in card


def test_training_can_begin_with_a_model(trained: Path, tmp_path: Path) -> None:
    """Ten steps at a low rate teach a new network nothing, and one that knows the words forgets none."""
    arguments = ["train", "--start", trained / "model", "--data", trained / "words", "--keywords", "low,high"]
    arguments.append("--no-negatives")  # it never heard speech
    kws(*arguments, "--run", tmp_path / "run", "--clips", 1280)
    *_, last = (tmp_path / "run/history.jsonl").read_text().splitlines()
    assert json.loads(last)["accuracy"] > 0.9
    kws("export", tmp_path / "run", tmp_path / "model", "--networks", "int8,float32")
    description = read_description(tmp_path / "model")
    assert description.training["network"]["width"] == 0.2
    assert description.front_end == read_description(trained / "model").front_end
    assert f"begun with the weights of `{trained / 'model'}`" in (tmp_path / "model/README.md").read_text()
    done = kws(*arguments, "--run", tmp_path / "other", "--width", 0.1, fails=2)
    assert "describes another network than this training's" in done.stderr


def test_the_articles_preset_trains_and_exports(tmp_path: Path) -> None:
    write_words(tmp_path / "words", speakers=4)
    # One step with a narrow network; the front-end, the image and the three channels are the article's.
    (tmp_path / "recipe.toml").write_text(
        'name = "article"\nkeywords = ["low", "high"]\nfront_end = "article"\n'
        "[network]\nwidth = 0.2\ndepth = 0.3\n[optimiser]\nclips = 8\nbatch = 8\n",
        encoding="utf-8",
    )
    kws("train", "--recipe", tmp_path / "recipe.toml", "--data", tmp_path / "words", "--run", tmp_path / "run")
    kws("export", tmp_path / "run", tmp_path / "model")
    assert read_description(tmp_path / "model").front_end == ARTICLE
    model = Model(tmp_path / "model" / "model-float32.tflite")
    assert model.network.input_shape == (128, 128, 3)
    posteriors = model.posteriors(ARTICLE.spectrogram(tone(1000, 1.0)))
    assert posteriors.shape == (4,)
    assert posteriors.sum() == pytest.approx(1.0, abs=1e-4)


def test_mistakes_of_a_user_are_one_line(tmp_path: Path) -> None:
    assert "no such folder" in kws("train", "--data", tmp_path / "no", "--run", tmp_path / "run", fails=2).stderr
    assert "no network 'int4'" in kws("export", tmp_path, tmp_path / "model", "--networks", "int4", fails=2).stderr
    assert "no training run here" in kws("export", tmp_path, tmp_path / "model", fails=2).stderr
    write_words(tmp_path / "words", speakers=2)
    arguments = ["--data", tmp_path / "words", "--run", tmp_path / "run", "--keywords", "low,middle"]
    assert "no recording of 'middle'" in kws("train", *arguments, fails=2).stderr
