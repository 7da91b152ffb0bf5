"""The exported networks have the embedding as a second output, and their posteriors do not change by it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kws.errors import ModelError
from kws.inference.interpreter import TfliteNetwork
from kws.types import Float32Array

pytest.importorskip("tensorflow", reason="training needs the extra 'train'")
from kws.training.embedding import expose_embedding
from kws.training.export import convert
from kws.training.recipe import NetworkOptions
from kws.training.tensorflow import keras
from kws.training.tensorflow.network import add_other_words, build_network, set_normalisation

pytestmark = pytest.mark.training

SHAPE = (48, 40, 1)


@pytest.fixture(scope="module")
def images() -> Float32Array:
    return np.random.default_rng(1).normal(-2.0, 3.0, (20, *SHAPE)).astype(np.float32)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (NetworkOptions(variant="lite", width=0.3, depth=0.4), "float32"),
        (NetworkOptions(variant="lite", width=0.3, depth=0.4), "int8"),
        (NetworkOptions(width=0.3, depth=0.4), "float32"),
    ],
)
def test_posteriors_are_the_same_and_the_embedding_is_what_the_last_block_takes(
    tmp_path: Path, images: Float32Array, options: NetworkOptions, kind: str
) -> None:
    trained = build_network(options, SHAPE, 6)
    set_normalisation(trained, images.mean(axis=(0, 1, 3)), images.var(axis=(0, 1, 3)))
    network = convert(add_other_words(trained, 4), kind, images)
    for file, content in (("before", network), ("after", expose_embedding(network)[0])):
        (tmp_path / file).write_bytes(content)
    before, after = TfliteNetwork(tmp_path / "before"), TfliteNetwork(tmp_path / "after")
    body = trained.get_layer("efficientnet")
    inner = keras.Model(body.input, body.get_layer("block7a_expand_conv").input)
    features = inner(trained.get_layer("normalisation")(images)).numpy().reshape(len(images), -1)
    assert (before.embedding, after.embedding) == (0, features.shape[1])
    assert expose_embedding(network)[1] == features.shape[1]
    assert before.outputs == after.outputs == 4
    for image, expected in zip(images, features, strict=True):
        posteriors, embedding = after.embed(image)
        assert np.array_equal(posteriors, before(image))
        assert np.array_equal(posteriors, after(image))
        np.testing.assert_allclose(
            embedding, expected, atol=(1e-4 if kind == "float32" else 0.1) * np.abs(features).max()
        )


def test_a_network_that_is_no_efficientnet(images: Float32Array) -> None:
    inputs = keras.layers.Input(SHAPE)
    network = convert(keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Flatten()(inputs))), "float32")
    with pytest.raises(ModelError, match=r"^has no block 7 of EfficientNet, whose input is the embedding$"):
        expose_embedding(network)
