"""The network: normalisation, EfficientNet, GlobalAveragePooling2D, Dropout, Dense softmax."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kws.training.depthwise import DepthwiseConv2D
from kws.training.libraries import DEFAULT_BLOCKS_ARGS, EfficientNet, keras
from kws.training.mixing import UNKNOWN_LABEL
from kws.training.recipe import Network
from kws.types import Float32Array


def build_network(network: Network, shape: tuple[int, int, int], labels: int) -> Any:
    """A Keras model from images ``(batch, *shape)`` to posteriors ``(batch, labels)``.

    The first layer normalises each column of the image with constants that are measured once, before training:
    the front-end has none, so that a column never depends on the window it is in.
    """
    inputs = keras.layers.Input(shape, name="spectrogram")
    normalised = keras.layers.Normalization(axis=2, name="normalisation")(inputs)
    lite = network.variant == "lite"
    body = EfficientNet(
        network.width,
        network.depth,
        default_resolution=max(shape[:2]),
        drop_connect_rate=network.drop_connect,
        blocks_args=[block._replace(se_ratio=None) if lite else block for block in DEFAULT_BLOCKS_ARGS],
        include_top=False,
        weights=None,
        input_shape=shape,
        backend=keras.backend,
        layers=keras.layers,
        models=keras.models,
        utils=keras.utils,
    )
    body = keras.models.clone_model(body, clone_function=_lite if lite else _same)
    x = body(normalised)
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(x)
    x = keras.layers.Dropout(network.dropout, name="dropout")(x)
    outputs = keras.layers.Dense(labels, activation="softmax", name="posteriors")(x)
    return keras.Model(inputs, outputs)


def _same(layer: Any) -> Any:
    """A layer of the package's network, the depthwise ones as this package has them."""
    kind = DepthwiseConv2D if isinstance(layer, keras.layers.DepthwiseConv2D) else type(layer)
    return kind.from_config(layer.get_config())


def _lite(layer: Any) -> Any:
    """A layer of the package's network as EfficientNet-Lite has it."""
    if isinstance(layer, keras.layers.Activation):
        return keras.layers.ReLU(6.0, name=layer.name)
    return _same(layer)


def set_normalisation(model: Any, mean: Float32Array, variance: Float32Array) -> None:
    """Have the network normalise each column of its images by this mean and variance, ``(columns,)``."""
    model.get_layer("normalisation").set_weights([mean, variance, np.zeros((), np.int64)])
    finish_normalisation(model)


def finish_normalisation(model: Any) -> None:
    """Have the normalisation use its weights, which Keras copies once; needed whenever they have changed."""
    model.get_layer("normalisation").finalize_state()


def set_layers(model: Any, weights: Mapping[str, list[Float32Array]]) -> None:
    """Give every layer its weights by its name, as Keras has them; mean and variance to the normalisation."""
    body = model.get_layer("efficientnet")
    for name, values in weights.items():
        if name == "normalisation":
            set_normalisation(model, *values)
        else:
            (model if name == "posteriors" else body).get_layer(name).set_weights(values)


def equalise_priors(model: Any, priors: Sequence[float]) -> None:
    """Have the posteriors be for labels that are all equally likely beforehand.

    Args:
        model: that was trained on labels with other prior probabilities.
        priors: these, one for each label, all above 0; outputs beyond are of other words, which are unknown words too.
    """
    layer = model.get_layer("posteriors")
    kernel, bias = layer.get_weights()
    shifts = np.log(np.array(priors) * len(priors))
    shifts = np.concatenate([shifts, np.repeat(shifts[UNKNOWN_LABEL], len(bias) - len(shifts))])
    layer.set_weights([kernel, bias - shifts])


def add_other_words(model: Any, labels: int) -> Any:
    """A model whose outputs are those of the labels only, the posteriors of other words added to that of unknown ones.

    Args:
        model: with the outputs of silence, unknown words and keywords first, and then one for each other word.
        labels: how many outputs to leave.
    """
    outputs = model.output_shape[1]
    if outputs == labels:
        return model
    sums = np.eye(outputs, labels, dtype=np.float32)
    sums[labels:, UNKNOWN_LABEL] = 1.0
    layer = keras.layers.Dense(labels, use_bias=False, trainable=False, name="labels")
    summed = keras.Model(model.input, layer(model.output))
    layer.set_weights([sums])
    return summed


def decayed(name: str) -> bool:
    """Whether weight decay applies to a variable: to kernels, not to biases and batch normalisation."""
    return "kernel" in name
