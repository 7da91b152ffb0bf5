"""The network in PyTorch is the one that TensorFlow exports: the same layers, outputs and gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="training needs the extra 'train'")
pytest.importorskip("torch", reason="needs the extra 'pytorch'")
import torch

from kws.training.pytorch.network import EfficientNet, set_weights, weights_of
from kws.training.recipe import NetworkOptions
from kws.training.tensorflow import keras, tf
from kws.training.tensorflow.network import build_network
from kws.training.tensorflow.network import set_weights as set_keras_weights
from kws.types import Float32Array

pytestmark = pytest.mark.training

# Odd numbers of rows, so that strides pad one side more than the other.
SHAPES = [(48, 40, 1), (35, 33, 3)]
NETWORKS = [
    NetworkOptions(variant="lite", width=0.2, depth=0.3, dropout=0.0, drop_connect=0.0),
    NetworkOptions(variant="original", width=0.35, depth=0.6, dropout=0.0, drop_connect=0.0),
]
LABELS = 5


def twins(network: NetworkOptions, shape: tuple[int, int, int]) -> tuple[Any, Any]:
    """A network of PyTorch with weights that look trained, and Keras' with the same."""
    torch.manual_seed(1)
    model = EfficientNet(network, shape, LABELS)
    rng = np.random.default_rng(1)
    weights = {
        name: [v if v.ndim > 1 else rng.uniform(0.5, 1.5, v.shape).astype(np.float32) for v in values]
        for name, values in weights_of(model).items()
    }
    set_weights(model, weights)
    other = build_network(network, shape, LABELS)
    set_keras_weights(other, weights)
    return model, other


def images(shape: tuple[int, int, int]) -> Float32Array:
    return np.random.default_rng(2).normal(1.0, 1.0, (6, *shape)).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("network", NETWORKS)
def test_it_says_what_keras_says(network: NetworkOptions, shape: tuple[int, int, int]) -> None:
    model, other = twins(network, shape)
    expected = other(images(shape), training=False).numpy()
    spread = expected.std(axis=0).max()
    assert spread > 1e-4  # it does not say the same of every image
    with torch.no_grad():
        posteriors = torch.softmax(model.eval()(torch.from_numpy(images(shape))), 1).numpy()
    np.testing.assert_allclose(posteriors, expected, atol=spread / 50)


@pytest.mark.parametrize("network", NETWORKS)
def test_it_learns_what_keras_learns(network: NetworkOptions) -> None:
    """One step of each: the same loss, gradients of kernels, and moving averages of normalisation."""
    model, other = twins(network, SHAPES[0])
    truth = np.arange(6) % LABELS
    with tf.GradientTape() as tape:
        said = other(images(SHAPES[0]), training=True)
        expected = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(truth, said))
    gradients = dict(
        zip(
            (v.name for v in other.trainable_variables), tape.gradient(expected, other.trainable_variables), strict=True
        )
    )
    loss = torch.nn.functional.cross_entropy(
        model.train()(torch.from_numpy(images(SHAPES[0]))), torch.from_numpy(truth)
    )
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(expected), rel=1e-4)
    with torch.no_grad():
        for layer in model.named_layers().values():
            layer.weight.copy_(layer.weight.grad)
    kernels = 0
    for name, (gradient, *_) in weights_of(model).items():
        kernel = f"{name}/depthwise_kernel:0" if name.endswith("dwconv") else f"{name}/kernel:0"
        if kernel in gradients:
            kernels += 1
            np.testing.assert_allclose(gradient, gradients[kernel], atol=1e-3 * np.abs(gradients[kernel]).max())
    assert kernels == sum("kernel" in name for name in gradients)
    for name, layer in model.named_layers().items():
        if name.endswith("bn"):
            _, _, mean, variance = other.get_layer("efficientnet").get_layer(name).get_weights()
            np.testing.assert_allclose(layer.running_mean, mean, atol=1e-5)
            np.testing.assert_allclose(layer.running_var, variance, atol=1e-4)


def test_new_kernels_are_as_large_as_keras() -> None:
    network = NetworkOptions(variant="original", width=1.0)
    mine = weights_of(EfficientNet(network, SHAPES[0], LABELS))
    other = build_network(network, SHAPES[0], LABELS)
    body = other.get_layer("efficientnet")
    for name, (kernel, *_) in mine.items():
        if kernel.ndim == 4 and kernel.size > 5000:
            assert kernel.std() == pytest.approx(body.get_layer(name).get_weights()[0].std(), rel=0.1), name
    assert mine["posteriors"][0].std() == pytest.approx(other.get_layer("posteriors").get_weights()[0].std(), rel=0.1)


def test_a_block_is_left_out_as_often_as_the_network_says_and_made_up_for() -> None:
    network = NetworkOptions(variant="lite", width=0.2, depth=1.0, dropout=0.0, drop_connect=0.9)
    model = EfficientNet(network, SHAPES[0], LABELS).train()
    block = next(block for block in reversed(model.blocks.values()) if block.residual)
    assert block.drop == pytest.approx(0.9 * 14 / 16)  # the 15th of 16
    incoming = torch.zeros((4000, block.layers["project_bn"].num_features, 1, 1))
    with torch.no_grad():
        block.layers["project_bn"].bias.fill_(1.0)
        block.layers["project_bn"].weight.zero_()
        added = block(incoming)[:, 0, 0, 0]
    assert set(np.round(np.unique(added.numpy()), 3)) == {0.0, np.float32(round(1 / (1 - block.drop), 3))}
    assert float(added.mean()) == pytest.approx(1.0, abs=0.15)  # three deviations
