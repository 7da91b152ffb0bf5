"""Beginning with the weights of a trained model."""

from __future__ import annotations

from typing import Any

import numpy as np

from kws.training.recipe import UNKNOWN_LABEL, Recipe
from kws.training.start import Start
from kws.training.tensorflow import keras, tf
from kws.training.tensorflow.network import set_normalisation
from kws.types import UNKNOWN, Float32Array

_BATCH = 250
_DOUBT = 4.0  # by which the bias of a new keyword lies below that of unknown words, as which it begins


def begin(model: Any, start: Start, recipe: Recipe, images: Float32Array) -> None:
    """Give a new Keras network the weights of another, so that it gives the same posteriors for what both know.

    Args:
        model: of :func:`kws.training.tensorflow.network.build_network`.
        start: the other network.
        recipe: of the model.
        images: ``(n, *shape)``; the batch normalisation is measured over these.
    """
    set_normalisation(model, start.mean, start.deviation**2)
    body = model.get_layer("efficientnet")
    convolutions = [layer for layer in body.layers if layer.name in start.layers]
    factors = {}
    for layer in convolutions:
        kernel, _ = start.layers[layer.name]
        # As large as a new network's kernels, which the learning rate suits; batch normalisation makes up for it.
        factors[layer.name] = factor = float(np.std(layer.get_weights()[0]) / np.std(kernel))
        layer.set_weights([kernel * factor])
        _norm(body, layer).set_weights(_identity(start.layers[layer.name][1], factor, _norm(body, layer).epsilon))
    outputs = keras.Model(body.input, [layer.output for layer in convolutions])
    normalised = model.get_layer("normalisation")(images)
    batches = [outputs(normalised[i : i + _BATCH], training=False) for i in range(0, len(images), _BATCH)]
    moments = [[tf.nn.moments(part, (0, 1, 2)) for part in parts] for parts in batches]
    for i, layer in enumerate(convolutions):
        means = np.array([batch[i][0] for batch in moments])
        mean = means.mean(axis=0)
        variance = np.array([batch[i][1] for batch in moments]).mean(axis=0) + means.var(axis=0)
        norm, bias, factor = _norm(body, layer), start.layers[layer.name][1], factors[layer.name]
        norm.set_weights([np.sqrt(variance + norm.epsilon) / factor, bias + mean / factor, mean, variance])
    model.get_layer("posteriors").set_weights(_last_layer(start, recipe))


def _norm(body: Any, convolution: Any) -> Any:
    """Return the batch normalisation after a convolution."""
    return body.get_layer(convolution.name.replace("dwconv", "bn").replace("_conv", "_bn"))


def _identity(bias: Float32Array, factor: float, epsilon: float) -> list[Float32Array]:
    """Return weights of a batch normalisation that undoes a factor and adds a bias."""
    size = len(bias)
    return [np.full(size, 1 / factor), bias, np.zeros(size), np.full(size, 1.0 - epsilon)]


def _last_layer(start: Start, recipe: Recipe) -> tuple[Float32Array, Float32Array]:
    """Return kernel and bias of outputs for the labels and other words of a recipe.

    Words that the network did not tell apart begin as its unknown words: new keywords as unlikely ones, and other words
    with an equal part of their posterior.
    """
    kernel, bias = start.layers["posteriors"]
    if (recipe.labels, recipe.other_words) == (start.labels, start.other_words):
        return kernel, bias
    labels, others = len(start.labels), len(recipe.other_words)
    known = {word: i for i, word in enumerate(start.labels)}
    sources = np.array([known.get(word, UNKNOWN_LABEL) for word in (*recipe.labels, *[UNKNOWN] * others)])
    merged = bias.copy()
    merged[UNKNOWN_LABEL] = np.logaddexp.reduce(bias[[UNKNOWN_LABEL, *range(labels, len(bias))]]) - np.log(1 + others)
    doubts = [_DOUBT * (word not in known) for word in (*recipe.labels, *[UNKNOWN] * others)]
    return kernel[:, sources], (merged[sources] - doubts).astype(np.float32)
