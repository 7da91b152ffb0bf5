"""Beginning with what a trained network knows, in a network as wide or wider (Net2WiderNet, arXiv:1511.05641).

Every channel of the wider network is a copy of one of the narrower, and what reads the copies shares out the weight
that it gave to the one: so it begins by saying just what the narrower says, and learns to say more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from kws.errors import UsageError
from kws.features.front_end import FrontEnd
from kws.inference.model import MODEL_FILE, Model, find_model, float32_network, read_description
from kws.training.libraries import keras, tf
from kws.training.mixing import UNKNOWN_LABEL
from kws.training.network import set_normalisation
from kws.training.recipe import Recipe
from kws.training.spectra import column_moments
from kws.types import Float32Array

_SPREAD = 0.5  # of the weights that are shared out, lest all copies of a channel learn the same
_BATCH = 250
_Channels = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """The weights of a trained network.

    Attributes:
        labels: what its outputs stand for.
        other_words: those of which its last layer has outputs beyond the labels.
        front_end: of that network.
        mean, deviation: of each column of the image, ``(bins,)``.
        layers: kernel and bias of each layer by its name, batch normalisation folded in; kernels as Keras has them.
    """

    labels: tuple[str, ...]
    other_words: tuple[str, ...]
    front_end: FrontEnd
    mean: Float32Array
    deviation: Float32Array
    layers: dict[str, tuple[Float32Array, Float32Array]]


def read_start(recipe: Recipe) -> Start:
    """The network that a recipe begins with.

    Raises:
        UsageError: there is none, or no wider network of the recipe's can begin with it.
        ModelError: its ``model.json`` is wrong.
    """
    folder = find_model(recipe.start)
    description = read_description(folder)
    _compare(recipe, folder, description.front_end, description.training.get("network", {}))
    path = float32_network(folder, "training begins with")
    Model(path)  # whose files are the ones that belong together
    interpreter = Interpreter(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    interpreter.allocate_tensors()
    constants = {}
    for tensor in interpreter.get_tensor_details():
        # A layer's weights bear its name and the operation's, last of all that were made one.
        names = tensor["name"].rsplit(";", 1)[-1].split("/")
        constants["/".join(names[-2:]), len(tensor["shape"])] = tensor["index"]
        if tuple(tensor["shape"]) == (1, 1, description.front_end.shape[1], 1) and "normalisation" not in names:
            constants["mean", 4] = tensor["index"]  # a number of Keras', not a layer's weight

    def constant(name: str, rank: int) -> Float32Array:
        try:
            value: Float32Array = interpreter.get_tensor(constants[name, rank])
        except (KeyError, ValueError) as error:
            raise UsageError(f"{path}: no weights of {name}: kws export did not write it") from error
        return value

    layers = {}
    for name, rank in constants:
        layer, _, operation = name.partition("/")
        if rank == 4 and operation in ("Conv2D", "depthwise"):
            # TFLite has filters first and, of depthwise kernels, 1; Keras has them last.
            layers[layer] = (constant(name, 4).transpose(1, 2, 3, 0), constant(name, 1))
    layers["posteriors"] = (constant("posteriors/MatMul", 2).T, constant("posteriors/BiasAdd", 1))
    return Start(
        labels=description.labels,
        other_words=tuple(description.training.get("other_words", ())),
        front_end=description.front_end,
        mean=constant("mean", 4).ravel(),
        deviation=np.float32(1.0) / constant("normalisation/Maximum", 4).ravel(),
        layers=layers,
    )


def _compare(recipe: Recipe, folder: Path, front_end: FrontEnd, network: dict[str, Any]) -> None:
    """Raise a UsageError where one network cannot become the other."""
    mine, path = recipe.network, folder / MODEL_FILE
    columns, wanted = front_end.shape[1:], recipe.resolved_front_end.shape[1:]
    if columns != wanted:
        raise UsageError(
            f"start: images of {path} have {columns[0]} columns of {columns[1]}, and not {wanted[0]} of {wanted[1]} "
            "as this training's"
        )
    if mine.variant != "lite" or network.get("variant") != "lite":
        raise UsageError("start: only networks of the variant lite can begin with another")
    if network.get("depth") != mine.depth or network.get("width", 0.0) > mine.width:
        raise UsageError(
            f"start: {path} has width {network.get('width')} and depth {network.get('depth')}; "
            f"width {mine.width} must not be less, and depth {mine.depth} must be the same"
        )


def begin(
    model: Any,
    start: Start,
    front_end: FrontEnd,
    labels: tuple[str, ...],
    images: Float32Array,
    *,
    seed: int,
    other_words: tuple[str, ...] = (),
) -> None:
    """Give a network the weights of another, which may be narrower.

    It says what the other says where their front-ends are the same. With another one, such as finer steps of time, it
    has the other's kernels to learn on with, which is sooner done than to find them.

    Args:
        model: of :func:`kws.training.network.build_network`, with weights that nothing has been learnt with.
        start: the other network.
        front_end: of the model.
        labels: of the model; where they are the other's, the last layer is taken too.
        images: ``(n, rows, columns, channels)``; the batch normalisation is measured over these.
        seed: of the choice of channels.
        other_words: of which the model has outputs beyond the labels.

    Raises:
        UsageError: the networks differ in more than width.
    """
    rng = np.random.default_rng(seed)
    normalisation = model.get_layer("normalisation")
    same = front_end == start.front_end
    set_normalisation(model, *((start.mean, start.deviation**2) if same else column_moments(images)))
    body = model.get_layer("efficientnet")
    additions = {layer.name for layer in body.layers if isinstance(layer, keras.layers.Add)}
    channels = np.arange(images.shape[3])
    block, before = "", channels
    convolutions = []
    for layer in body.layers:
        if layer.name not in start.layers:
            continue
        if layer.name.split("_")[0] != block:
            block, before = layer.name.split("_")[0], channels
        kernel, bias = start.layers[layer.name]
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            wider = kernel[:, :, channels]
            stride = layer.strides[0]
        else:
            made = _copies(rng, kernel.shape[3], layer.filters)
            if layer.name.endswith("project_conv"):
                added = f"{block}_add" in additions
                if added != (stride == 1 and kernel.shape[3] == before.max() + 1):
                    raise UsageError(
                        "start: of this width, the network adds other layers to each other than the one that it is "
                        "to begin with; choose a larger width, or the same"
                    )
                # What is added to what the block began with has the same channels in the same places.
                made = before if added else made
            wider, channels = _share_out(rng, kernel, channels)[..., made], made
        # As large as a new network's kernels, which the learning rate suits; batch normalisation makes up for it.
        factor = float(np.std(layer.get_weights()[0]) / np.std(wider))
        layer.set_weights([wider * factor])
        convolutions.append((layer, bias[channels], factor))
    _normalise(body, normalisation(images), convolutions)
    if labels == start.labels:
        kernel, bias = _last_layer(start, other_words)
        model.get_layer("posteriors").set_weights([_share_out(rng, kernel, channels), bias])


def _last_layer(start: Start, other_words: tuple[str, ...]) -> tuple[Float32Array, Float32Array]:
    """Kernel and bias of outputs for the labels and for these other words.

    Other words that the network did not tell apart begin as its unknown words, with an equal part of their posterior.
    """
    kernel, bias = start.layers["posteriors"]
    if other_words == start.other_words:
        return kernel, bias
    labels = len(start.labels)
    sources = np.concatenate([np.arange(labels), np.repeat(UNKNOWN_LABEL, len(other_words))])
    parts = np.where(sources == UNKNOWN_LABEL, 1 + len(other_words), 1)
    unknown = [UNKNOWN_LABEL, *range(labels, len(bias))]
    merged = bias.copy()
    merged[UNKNOWN_LABEL] = np.logaddexp.reduce(bias[unknown])
    return kernel[:, sources], (merged[sources] - np.log(parts)).astype(np.float32)


def _copies(rng: np.random.Generator, narrow: int, wide: int) -> _Channels:
    """Which of ``narrow`` channels each of ``wide`` is a copy of; all are copied equally often but for one."""
    rounds = [rng.permutation(narrow) for _ in range(-(-wide // narrow) - 1)]
    return np.concatenate([np.arange(narrow), *rounds])[:wide]


def _share_out(rng: np.random.Generator, kernel: Float32Array, channels: _Channels) -> Float32Array:
    """A kernel ``(..., channels, filters)`` for copies of its channels, the weights of which add up to its own."""
    count = np.bincount(channels)
    noise = rng.normal(0.0, _SPREAD, (len(channels), kernel.shape[-1]))
    mean = np.zeros((len(count), kernel.shape[-1]))
    np.add.at(mean, channels, noise)
    shares = (1.0 + noise - (mean / count[:, None])[channels]) / count[channels, None]
    shared: Float32Array = (kernel[..., channels, :] * shares).astype(np.float32)
    return shared


def _normalise(body: Any, images: Any, convolutions: list[tuple[Any, Float32Array, float]]) -> None:
    """Set each batch normalisation so that it adds the bias, and is one: by mean and variance of what comes in."""
    names = {layer.name: layer.name.replace("dwconv", "bn").replace("_conv", "_bn") for layer, _, _ in convolutions}
    for layer, bias, factor in convolutions:
        norm = body.get_layer(names[layer.name])
        size = len(bias)
        norm.set_weights(
            [np.full(size, 1 / factor), bias, np.zeros(size), np.full(size, 1.0 - norm.epsilon)],
        )
    outputs = keras.Model(body.input, [layer.output for layer, _, _ in convolutions])
    moments: list[list[Any]] = []
    for i in range(0, len(images), _BATCH):
        parts = outputs(images[i : i + _BATCH], training=False)
        moments.append([tf.nn.moments(part, (0, 1, 2)) for part in parts])
    for i, (layer, bias, factor) in enumerate(convolutions):
        means = np.array([batch[i][0] for batch in moments])
        mean = means.mean(axis=0)
        variance = np.array([batch[i][1] for batch in moments]).mean(axis=0) + means.var(axis=0)
        norm = body.get_layer(names[layer.name])
        norm.set_weights([np.sqrt(variance + norm.epsilon) / factor, bias + mean / factor, mean, variance])
