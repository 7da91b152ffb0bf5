"""The network in Keras: normalisation, EfficientNet, GlobalAveragePooling2D, Dropout, Dense softmax."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from kws.training.recipe import UNKNOWN_LABEL, NetworkOptions
from kws.training.runs import Weights
from kws.training.tensorflow import DEFAULT_BLOCKS_ARGS, EfficientNet, keras
from kws.types import Float32Array


def build_network(options: NetworkOptions, shape: tuple[int, int, int], outputs: int) -> Any:
    """Return a Keras model from images ``(batch, *shape)`` to posteriors ``(batch, outputs)``.

    The first layer normalises each bin with constants that are measured once, before training, so that a frame never
    depends on the window it is in.
    """
    inputs = keras.layers.Input(shape, name="spectrogram")
    normalised = keras.layers.Normalization(axis=2, name="normalisation")(inputs)
    lite = options.variant == "lite"
    layers = SimpleNamespace(**vars(keras.layers))
    if lite:
        layers.Activation = lambda _, name: keras.layers.ReLU(6.0, name=name)
    body = EfficientNet(
        options.width,
        options.depth,
        default_resolution=max(shape[:2]),
        drop_connect_rate=options.drop_connect,
        blocks_args=[block._replace(se_ratio=None) if lite else block for block in DEFAULT_BLOCKS_ARGS],
        include_top=False,
        weights=None,
        input_shape=shape,
        backend=keras.backend,
        layers=layers,
        models=keras.models,
        utils=keras.utils,
    )
    x = keras.layers.GlobalAveragePooling2D(name="pooling")(body(normalised))
    x = keras.layers.Dropout(options.dropout, name="dropout")(x)
    return keras.Model(inputs, keras.layers.Dense(outputs, activation="softmax", name="posteriors")(x))


def set_normalisation(model: Any, mean: Float32Array, variance: Float32Array) -> None:
    """Normalise each bin by this mean and variance, ``(bins,)``."""
    layer = model.get_layer("normalisation")
    layer.set_weights([mean, variance, np.zeros((), np.int64)])
    layer.finalize_state()  # Keras copies these weights; needed whenever they have changed


def halves(model: Any) -> tuple[Any, Any]:
    """Return the two halves of a network as Keras models that share its layers.

    The first is from images to the embedding of :mod:`kws.training.embedding`, the second from this to posteriors.
    """
    body, inputs = model.get_layer("efficientnet"), keras.layers.Input(model.input_shape[1:])
    embedding = body.get_layer("block7a_expand_conv").input
    first = keras.Model(body.input, embedding)(model.get_layer("normalisation")(inputs))
    embedded = keras.layers.Input(embedding.shape[1:])
    last = keras.Model(embedding, body.output)(embedded)
    for name in ("pooling", "dropout", "posteriors"):
        last = model.get_layer(name)(last)
    return keras.Model(inputs, first), keras.Model(embedded, last)


def _layers(model: Any) -> list[Any]:
    return [*model.get_layer("efficientnet").layers, model.get_layer("posteriors")]


def weights_of(model: Any) -> Weights:
    """Return the weights of each layer by its name."""
    weights = {layer.name: layer.get_weights() for layer in _layers(model) if layer.weights}
    return {"normalisation": model.get_layer("normalisation").get_weights()[:2], **weights}


def set_weights(model: Any, weights: Weights) -> None:
    """Set the weights that :func:`weights_of` returns."""
    set_normalisation(model, *weights["normalisation"])
    for layer in _layers(model):
        if layer.weights:
            layer.set_weights(weights[layer.name])


def equalise_priors(model: Any, priors: Sequence[float]) -> None:
    """Make the posteriors those of labels that are all equally likely beforehand.

    Args:
        model: trained on labels with other prior probabilities.
        priors: these, one for each label, all above 0. Further outputs, of other words, count as unknown words.
    """
    layer = model.get_layer("posteriors")
    kernel, bias = layer.get_weights()
    shifts = np.log(np.array(priors) * len(priors))
    shifts = np.concatenate([shifts, np.repeat(shifts[UNKNOWN_LABEL], len(bias) - len(shifts))])
    layer.set_weights([kernel, bias - shifts])


def add_other_words(model: Any, labels: int) -> Any:
    """Return a model with the outputs of the labels only; the posteriors of other words are added to unknown."""
    outputs = model.output_shape[1]
    if outputs == labels:
        return model
    sums = np.eye(outputs, labels, dtype=np.float32)
    sums[labels:, UNKNOWN_LABEL] = 1.0
    layer = keras.layers.Dense(labels, use_bias=False, trainable=False, name="labels")
    summed = keras.Model(model.input, layer(model.output))
    layer.set_weights([sums])
    return summed
