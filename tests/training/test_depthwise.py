"""The quicker gradient of a depthwise convolution is the gradient of that convolution."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs the extra 'train'")
from kws.training.depthwise import DepthwiseConv2D, kernel_gradient
from kws.training.libraries import keras, tf
from kws.training.network import build_network
from kws.training.recipe import Network

pytestmark = pytest.mark.training

SHAPES = [(2, 2, 5, 1), (2, 2, 3, 1), (3, 3, 5, 2), (6, 5, 5, 1), (7, 4, 5, 2), (12, 10, 5, 2), (5, 6, 3, 2)]


@pytest.mark.parametrize(("rows", "columns", "size", "stride"), SHAPES)
def test_the_gradient_is_tensorflows_own(rows: int, columns: int, size: int, stride: int) -> None:
    rng = np.random.default_rng(rows * columns)
    images = tf.constant(rng.normal(size=(6, rows, columns, 3)), tf.float32)
    upstream = tf.constant(rng.normal(size=(6, -(-rows // stride), -(-columns // stride), 3)), tf.float32)
    own = tf.nn.depthwise_conv2d_backprop_filter(
        images, (size, size, 3, 1), upstream, [1, stride, stride, 1], "SAME"
    ).numpy()
    np.testing.assert_allclose(kernel_gradient(images, upstream, size, stride).numpy(), own, atol=1e-4)


@pytest.mark.parametrize(("rows", "columns", "size"), [(3, 2, 5), (2, 2, 3), (20, 16, 3)])
def test_a_layer_learns_as_keras_own_layer_does(rows: int, columns: int, size: int) -> None:
    images = tf.random.normal((4, rows, columns, 6), seed=1)
    settings = {"kernel_size": size, "padding": "same", "use_bias": False}
    ours, theirs = DepthwiseConv2D(**settings), keras.layers.DepthwiseConv2D(**settings)
    results = []
    for layer in (ours, theirs):
        layer.build(images.shape)
        layer.set_weights(ours.get_weights())
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(layer(images) ** 2)
        results.append([loss, *tape.gradient(loss, [images, *layer.trainable_variables])])
    for mine, other in zip(*results, strict=True):
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("variant", ["lite", "original"])
def test_every_depthwise_layer_of_a_network_is_of_this_kind(variant: Literal["lite", "original"]) -> None:
    model = build_network(Network(variant=variant, width=0.2, depth=0.3), (48, 40, 1), 3)
    body = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    kinds = {type(layer) for layer in body.layers if isinstance(layer, keras.layers.DepthwiseConv2D)}
    assert kinds == {DepthwiseConv2D}
