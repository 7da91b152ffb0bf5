"""Beginning with a trained network: the wider one says the same before it learns more."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from kws.errors import ModelError, UsageError
from kws.features.front_end import FrontEnd
from kws.inference.model import Model
from kws.types import Float32Array

pytest.importorskip("tensorflow", reason="training needs the extra 'train'")
from kws.training.export import export
from kws.training.libraries import keras
from kws.training.recipe import Network, Optimiser, Recipe
from kws.training.runs import RECIPE_FILE
from kws.training.start import read_start
from kws.training.train import Trainer

pytestmark = pytest.mark.training

NARROW = Recipe(
    name="narrow",
    keywords=("low", "high"),
    front_end="log-mel-small",
    network=Network(variant="lite", width=0.3, depth=0.6),
    optimiser=Optimiser(clips=10, batch=2),
)


def begun(recipe: Recipe, run: Path, images: Float32Array) -> Trainer:
    trainer = Trainer(recipe, run)
    trainer.begin(images, read_start(recipe) if recipe.start else None)
    return trainer


@pytest.fixture(scope="module")
def images() -> Float32Array:
    return np.random.default_rng(1).normal(-2.0, 3.0, (60, 48, 40, 1)).astype(np.float32)


def model_of(recipe: Recipe, folder: Path, images: Float32Array) -> Path:
    """A model whose weights and batch normalisation are anything but those of a new network."""
    keras.utils.set_random_seed(0)
    trainer = begun(recipe, folder / "run", images)
    rng = np.random.default_rng(0)
    for variable in trainer.averaged.trainable_variables:
        variable.assign(variable + rng.normal(0.0, 0.1, variable.shape))
    for layer in trainer.averaged.get_layer("efficientnet").layers:
        if layer.name.endswith("bn"):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights([gamma, beta, rng.normal(0, 0.1, mean.shape), variance * rng.uniform(0.5, 2, mean.shape)])
    trainer.save()
    (folder / "run" / RECIPE_FILE).write_bytes(msgspec.json.encode(recipe))
    np.save(folder / "run" / "examples.npy", images)
    export(folder / "run", folder / "model", kinds=("int8", "float32"))
    return folder / "model"


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory, images: Float32Array) -> Path:
    return model_of(NARROW, tmp_path_factory.mktemp("narrow"), images)


def likeness(trainer: Trainer, recipe: Recipe, layer: str) -> float:
    """The correlation of a kernel with that of the network that it began with."""
    kernel, _ = read_start(recipe).layers[layer]
    mine = trainer.model.get_layer("efficientnet").get_layer(layer).get_weights()[0]
    return float(np.corrcoef(mine.ravel(), kernel.ravel())[0, 1])


def said(model: Path, images: Float32Array) -> Float32Array:
    network = Model(model / "model-float32.tflite").network
    return np.stack([network(image) for image in images])


@pytest.mark.parametrize("width", [0.3, 0.4, 0.75])
def test_it_begins_with_what_the_other_says(narrow: Path, images: Float32Array, tmp_path: Path, width: float) -> None:
    recipe = msgspec.structs.replace(
        NARROW, start=str(narrow), network=msgspec.structs.replace(NARROW.network, width=width)
    )
    trainer = begun(recipe, tmp_path, images)
    expected = said(narrow, images)
    assert np.ptp(expected, axis=0).max() > 0.05  # the answers differ from image to image
    np.testing.assert_allclose(trainer.posteriors(images), expected, atol=2e-5)
    np.testing.assert_allclose(trainer.model(images, training=False), expected, atol=2e-5)


def test_copies_of_a_channel_do_not_stay_alike(narrow: Path, images: Float32Array, tmp_path: Path) -> None:
    network = msgspec.structs.replace(NARROW.network, width=0.6)
    trainer = begun(msgspec.structs.replace(NARROW, start=str(narrow), network=network), tmp_path, images)
    pooled = trainer.model.get_layer("pooling").output
    features = type(trainer.model)(trainer.model.input, pooled)
    before = features(images, training=False).numpy()
    trainer.clips.assign(1000)
    for _ in range(3):
        trainer.step(images, np.eye(4, dtype=np.float32)[np.arange(60) % 4], np.float32(1e-3), np.float32(0.9))
    after = features(images, training=False).numpy()
    heard = (before.std(axis=0) > 0) & (after.std(axis=0) > 0)  # a correlation with what never changes says nothing
    alike = np.triu(np.corrcoef(before[:, heard].T) > 1 - 1e-6, 1)
    assert alike.sum() > 50
    assert np.mean(np.corrcoef(after[:, heard].T)[alike] < 1 - 1e-5) > 0.95


def test_what_a_layer_sees_is_normalised_as_in_training(narrow: Path, images: Float32Array, tmp_path: Path) -> None:
    """Over the images that it was measured with, training and inference say the same but for what is dropped."""
    network = msgspec.structs.replace(NARROW.network, width=0.4, dropout=0.0, drop_connect=0.0)
    trainer = begun(msgspec.structs.replace(NARROW, start=str(narrow), network=network), tmp_path, images)
    np.testing.assert_allclose(trainer.model(images, training=True), trainer.model(images, training=False), atol=2e-3)


def test_other_words_get_a_new_last_layer(narrow: Path, images: Float32Array, tmp_path: Path) -> None:
    recipe = msgspec.structs.replace(NARROW, start=str(narrow), keywords=("one", "two", "three"))
    trainer = begun(recipe, tmp_path, images)
    assert trainer.posteriors(images).shape == (60, 5)
    assert not trainer.model.get_layer("posteriors").get_weights()[1].any()
    assert likeness(trainer, recipe, "top_conv") == pytest.approx(1.0, abs=1e-6)


def test_finer_steps_of_time_begin_with_its_kernels_and_a_normalisation_of_their_own(
    narrow: Path, tmp_path: Path
) -> None:
    fine = FrontEnd(mel_bins=40, image=(96, 40))
    images = np.random.default_rng(2).normal(1.0, 0.5, (20, 96, 40, 1)).astype(np.float32)
    recipe = msgspec.structs.replace(NARROW, start=str(narrow), front_end=fine)
    trainer = begun(recipe, tmp_path, images)
    for layer in ("stem_conv", "top_conv"):
        assert likeness(trainer, recipe, layer) == pytest.approx(1.0, abs=1e-6)
    normalised = trainer.averaged.get_layer("normalisation")(images).numpy()
    np.testing.assert_allclose(normalised.mean(axis=(0, 1)), 0.0, atol=1e-4)
    np.testing.assert_allclose(normalised.std(axis=(0, 1)), 1.0, atol=1e-3)
    posteriors = trainer.posteriors(images)
    np.testing.assert_allclose(posteriors.sum(axis=1), 1.0, atol=1e-5)
    kernel, bias = read_start(recipe).layers["posteriors"]
    mine = trainer.averaged.get_layer("posteriors").get_weights()
    np.testing.assert_allclose(mine[0], kernel, rtol=1e-6)
    np.testing.assert_allclose(mine[1], bias, rtol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"front_end": "log-mel"}, "have 40 columns of 1, and not 64 of 1"),
        ({"network": Network(variant="lite", width=0.1, depth=0.6)}, "width 0.1 must not be less"),
        ({"network": Network(variant="lite", width=0.3, depth=1.0)}, "depth 1.0 must be the same"),
        ({"network": Network(variant="original", width=0.3, depth=0.6)}, "only networks of the variant lite"),
        ({"start": "nowhere"}, "nowhere: no such model folder"),
    ],
)
def test_what_cannot_begin_with_it_is_said(narrow: Path, changes: dict[str, object], message: str) -> None:
    recipe = msgspec.structs.replace(NARROW, **{"start": str(narrow), **changes})
    with pytest.raises(UsageError, match=message):
        read_start(recipe)


def test_a_network_that_adds_other_layers_to_each_other_is_refused(images: Float32Array, tmp_path: Path) -> None:
    """At width 0.2 the first block has as many channels behind it as before it, and adds them; at 0.3 it has not."""
    narrow = msgspec.structs.replace(NARROW, network=msgspec.structs.replace(NARROW.network, width=0.2))
    model = model_of(narrow, tmp_path, images)
    with pytest.raises(UsageError, match="adds other layers"):
        begun(msgspec.structs.replace(NARROW, start=str(model)), tmp_path / "other", images)


def test_a_model_without_float32_weights_is_said(narrow: Path, tmp_path: Path) -> None:
    for file in ("model.json", "model.tflite"):
        (tmp_path / file).write_bytes((narrow / file).read_bytes())
    with pytest.raises(UsageError, match=r"model-float32\.tflite: missing"):
        read_start(msgspec.structs.replace(NARROW, start=str(tmp_path)))
    (tmp_path / "model-float32.tflite").write_bytes((narrow / "model.tflite").read_bytes())
    with pytest.raises(ModelError, match="SHA-256"):
        read_start(msgspec.structs.replace(NARROW, start=str(tmp_path)))
