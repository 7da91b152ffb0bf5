"""The weights of a model that training begins with, read from its TFLite file."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from kws.enroll.bank import Bank, read_bank
from kws.errors import UsageError
from kws.inference.model import MODEL_FILE, Model, find_model, float32_network, read_description
from kws.training.recipe import Recipe
from kws.types import Float32Array


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """The weights of a trained network.

    Attributes:
        labels: of its outputs.
        other_words: those that further outputs of its last layer tell apart.
        mean, deviation: of each bin, ``(bins,)``.
        layers: kernel and bias of each layer by its name, batch normalisation folded in; kernels as Keras has them.
        bank: of the model, if the recipe learns from it.
    """

    labels: tuple[str, ...]
    other_words: tuple[str, ...]
    mean: Float32Array
    deviation: Float32Array
    layers: dict[str, tuple[Float32Array, Float32Array]]
    bank: Bank | None = None


def read_start(recipe: Recipe) -> Start:
    """Read the network that a recipe begins with.

    Raises:
        UsageError: there is none, or its network or front-end is not the recipe's.
        ModelError: its ``model.json`` is wrong.
    """
    folder = find_model(recipe.start)
    description = read_description(folder)
    network, wanted = description.training.get("network", {}), msgspec.to_builtins(recipe.network)
    if any(network.get(key) != wanted[key] for key in ("variant", "width", "depth")):
        raise UsageError(f"start: {folder / MODEL_FILE} describes another network than this training's")
    if wanted["variant"] != "lite":
        raise UsageError("start: only networks of the variant lite can be read back from TFLite")
    front_end = recipe.resolved_front_end
    if description.front_end != front_end and (
        front_end.fit != "crop" or description.front_end.with_window(front_end.window) != front_end
    ):
        raise UsageError(f"start: {folder / MODEL_FILE} has another front-end than this training's")
    path = float32_network(folder, "training begins with")
    model = Model(path)  # checks that the files belong together
    interpreter = Interpreter(str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES)
    interpreter.allocate_tensors()
    constants = {}
    for tensor in interpreter.get_tensor_details():
        # The last of the merged names is that of the layer and its operation.
        names = tensor["name"].rsplit(";", 1)[-1].split("/")
        constants["/".join(names[-2:]), len(tensor["shape"])] = tensor["index"]
        if tuple(tensor["shape"]) == (1, 1, description.front_end.shape[1], 1) and "normalisation" not in names:
            constants["mean", 4] = tensor["index"]  # a constant without the name of a layer

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
            # TFLite has the filters first (of depthwise kernels, 1); Keras has them last.
            layers[layer] = (constant(name, 4).transpose(1, 2, 3, 0), constant(name, 1))
    layers["posteriors"] = (constant("posteriors/MatMul", 2).T, constant("posteriors/BiasAdd", 1))
    return Start(
        labels=description.labels,
        other_words=tuple(description.training.get("other_words", ())),
        mean=constant("mean", 4).ravel(),
        deviation=np.float32(1.0) / constant("normalisation/Maximum", 4).ravel(),
        layers=layers,
        bank=read_bank(model) if recipe.bank else None,
    )
