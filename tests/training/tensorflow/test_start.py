"""Beginning with a trained model: the new network says the same before it learns more."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import pytest

from kws.enroll.bank import Bank, quantised
from kws.errors import ModelError, UsageError
from kws.inference.model import Model
from kws.types import Float32Array

pytest.importorskip("tensorflow", reason="training needs the extra 'train'")
from kws.training.export import export
from kws.training.recipe import NetworkOptions, Optimiser, Recipe
from kws.training.runs import Checkpoint, Run
from kws.training.start import read_start
from kws.training.tensorflow.learner import TensorFlowLearner
from kws.training.workers import Part

pytestmark = pytest.mark.training

SMALL = Recipe(
    name="small",
    keywords=("low", "high"),
    front_end="log-mel-small",
    network=NetworkOptions(variant="lite", width=0.3, depth=0.6),
    optimiser=Optimiser(clips=10, batch=2),
)


def begun(recipe: Recipe, images: Float32Array) -> TensorFlowLearner:
    return TensorFlowLearner(recipe, images, read_start(recipe) if recipe.start else None)


@pytest.fixture(scope="module")
def images() -> Float32Array:
    return np.random.default_rng(1).normal(-2.0, 3.0, (60, 48, 40, 1)).astype(np.float32)


def write_model(folder: Path, recipe: Recipe, images: Float32Array) -> Path:
    """A model whose weights and batch normalisation are anything but those of a new network."""
    learner = begun(recipe, images)
    rng = np.random.default_rng(0)
    for variable in learner.averaged.trainable_variables:
        variable.assign(variable + rng.normal(0.0, 0.1, variable.shape))
    for layer in learner.averaged.get_layer("efficientnet").layers:
        if layer.name.endswith("bn"):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([gamma, beta, rng.normal(0, 0.1, mean.shape), variance * rng.uniform(0.5, 2, mean.shape)])
    run = Run(folder / "run")
    run.write(recipe, [])
    run.save(Checkpoint(learner.framework, 10, learner.weights()))
    np.save(folder / "run" / "examples.npy", images)
    export(folder / "run", folder / "model", kinds=("int8", "float32"))
    return folder / "model"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory, images: Float32Array) -> Path:
    return write_model(tmp_path_factory.mktemp("small"), SMALL, images)


def said(model: Path, images: Float32Array) -> Float32Array:
    network = Model(model / "model-float32.tflite").network
    return np.stack([network(image) for image in images])


def test_it_begins_with_what_the_other_says(model: Path, images: Float32Array) -> None:
    learner = begun(msgspec.structs.replace(SMALL, start=str(model)), images)
    expected = said(model, images)
    assert np.ptp(expected, axis=0).max() > 0.05  # the answers differ from image to image
    np.testing.assert_allclose(learner.posteriors(images), expected, atol=2e-5)
    np.testing.assert_allclose(learner.model(images, training=False), expected, atol=2e-5)


def test_what_a_layer_sees_is_normalised_as_in_training(model: Path, images: Float32Array) -> None:
    """Over the images that it was measured with, training and inference say the same but for dropout."""
    network = msgspec.structs.replace(SMALL.network, dropout=0.0, drop_connect=0.0)
    learner = begun(msgspec.structs.replace(SMALL, start=str(model), network=network), images)
    np.testing.assert_allclose(learner.model(images, training=True), learner.model(images, training=False), atol=2e-3)


def test_new_keywords_begin_as_unlikely_unknown_words_and_known_ones_as_they_were(
    model: Path, images: Float32Array
) -> None:
    learner = begun(msgspec.structs.replace(SMALL, start=str(model), keywords=("new", "high")), images)
    posteriors, before = learner.posteriors(images), said(model, images)
    np.testing.assert_allclose(posteriors[:, 2], posteriors[:, 1] * np.exp(-4.0), rtol=1e-3)
    np.testing.assert_allclose(posteriors[:, 3] / posteriors[:, 1], before[:, 3] / before[:, 1], rtol=1e-2)


def test_a_longer_window_begins_with_the_same_layers(model: Path, images: Float32Array) -> None:
    longer = SMALL.resolved_front_end.with_window(32000)
    assert longer.shape == (98, 40, 1)
    recipe = msgspec.structs.replace(SMALL, start=str(model), front_end=longer)
    kernel, _ = read_start(recipe).layers["top_conv"]
    learner = begun(recipe, np.concatenate([images, images, images[:, :2]], axis=1))
    mine = learner.model.get_layer("efficientnet").get_layer("top_conv").get_weights()[0]
    assert np.corrcoef(mine.ravel(), kernel.ravel())[0, 1] == pytest.approx(1.0, abs=1e-6)


def test_with_a_bank_only_what_follows_the_embedding_learns(model: Path, images: Float32Array) -> None:
    optimiser = Optimiser(clips=1000, batch=60, warmup=1)
    recipe = msgspec.structs.replace(SMALL, start=str(model), optimiser=optimiser)
    rng = np.random.default_rng(0)
    size = Model(model).description.embedding
    bank = Bank(
        sha256="",
        centre=np.zeros(size, np.float32),
        axes=rng.normal(size=(size, 8)).astype(np.float32),
        words=quantised(rng.normal(size=(20, 8))),
        labels=np.array(["", "dog"] * 10),
        speech=quantised(rng.normal(size=(60, 8))),
        unknown=np.zeros(60, np.uint8),
        levels=np.zeros(60, np.int8),
        fresh=np.arange(60) % 10 == 0,
        hop=3840,
    )
    learner = TensorFlowLearner(recipe, images, dataclasses.replace(read_start(recipe), bank=bank))
    before, targets = learner.weights(), np.eye(4, dtype=np.float32)[np.full(60, 2)]
    _, keyword = learner.step([Part(0, 0, images, images, targets)], 500)()
    assert keyword.shape == (60,)
    after = learner.weights()
    changed = {name for name, old in before.items() if not all(map(np.array_equal, old, after[name]))}
    assert {"block7a_expand_conv", "block7a_bn", "top_conv", "posteriors"} <= changed
    assert all(name.startswith(("block7a", "top", "posteriors")) for name in changed)


def test_other_words_begin_as_equal_parts_of_the_unknown_words(
    model: Path, images: Float32Array, tmp_path: Path
) -> None:
    """The exported model adds them up again, and a start from it has them apart."""
    recipe = msgspec.structs.replace(SMALL, start=str(model), other_words=("cat", "dog"))
    learner = begun(recipe, images)
    expected, apart = said(model, images), learner.posteriors(images)
    assert apart.shape == (60, 6)
    np.testing.assert_allclose(apart[:, [1, 4, 5]], np.repeat(expected[:, 1:2] / 3, 3, axis=1), atol=2e-5)
    exported = write_model(tmp_path, recipe, images)
    again = begun(msgspec.structs.replace(recipe, start=str(exported)), images).posteriors(images)
    summed = again[:, :4] + [0, 1, 0, 0] * again[:, 4:].sum(axis=1, keepdims=True)
    np.testing.assert_allclose(summed, said(exported, images), atol=2e-5)
    merged = begun(msgspec.structs.replace(SMALL, start=str(exported)), images)
    assert merged.posteriors(images).shape == (60, 4)


def test_a_state_is_all_that_decides_what_is_learned(images: Float32Array) -> None:
    first, second = (begun(recipe, images) for recipe in (SMALL, msgspec.structs.replace(SMALL, keywords=("a", "b"))))
    second.restore(first.state())
    np.testing.assert_array_equal(second.posteriors(images), first.posteriors(images))
    assert all(np.array_equal(a, b) for a, b in zip(second.state(), first.state(), strict=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"front_end": "log-mel"}, "another front-end"),
        ({"network": NetworkOptions(variant="lite", width=0.4, depth=0.6)}, "another network"),
        ({"network": NetworkOptions(variant="lite", width=0.3, depth=1.0)}, "another network"),
        ({"network": NetworkOptions(variant="original", width=0.3, depth=0.6)}, "another network"),
        ({"start": "nowhere"}, "nowhere: no such model folder"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(model: Path, changes: dict[str, object], message: str) -> None:
    recipe = msgspec.structs.replace(SMALL, **{"start": str(model), **changes})
    with pytest.raises(UsageError, match=message):
        read_start(recipe)


def test_a_model_without_float32_weights_is_refused(model: Path, tmp_path: Path) -> None:
    for file in ("model.json", "model.tflite"):
        (tmp_path / file).write_bytes((model / file).read_bytes())
    with pytest.raises(UsageError, match=r"model-float32\.tflite: missing"):
        read_start(msgspec.structs.replace(SMALL, start=str(tmp_path)))
    (tmp_path / "model-float32.tflite").write_bytes((model / "model.tflite").read_bytes())
    with pytest.raises(ModelError, match="SHA-256"):
        read_start(msgspec.structs.replace(SMALL, start=str(tmp_path)))
