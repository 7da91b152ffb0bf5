"""From a training run to a model folder: TFLite networks, ``model.json`` and nothing that is not in them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from kws import __version__
from kws.errors import UsageError
from kws.features.front_end import FrontEnd
from kws.inference.model import DEFAULT_NETWORK, FLOAT32_NETWORK, MODEL_FILE, Description
from kws.training.card import write_card
from kws.training.libraries import tf
from kws.training.network import add_other_words, equalise_priors
from kws.training.recipe import Recipe
from kws.training.runs import EXAMPLES_FILE, RECIPE_FILE
from kws.training.train import Trainer
from kws.types import Float32Array

#: How numbers are stored -> file in the model folder; the first is the one that a model folder stands for.
NETWORKS = {"int8": DEFAULT_NETWORK, "float32": FLOAT32_NETWORK, "dynamic-range": "model-dynamic.tflite"}

_SHORTEST_HOP = 0.05


def load_run(run: Path) -> Trainer:
    """A run as its last checkpoint left it.

    Raises:
        UsageError: there is no run, or it has no checkpoint yet.
    """
    path = run / RECIPE_FILE
    if not path.exists():
        raise UsageError(f"{run}: no training run here ({RECIPE_FILE} is missing)")
    trainer = Trainer(msgspec.json.decode(path.read_bytes(), type=Recipe), run)
    if not (trainer.restore() or trainer.adopt()):
        raise UsageError(f"{run}: no checkpoint yet; let kws train go on")
    return trainer


def convert(model: Any, kind: str, examples: Float32Array | None = None) -> bytes:
    """A Keras model as TFLite.

    Args:
        model: from images ``(batch, *shape)`` to posteriors.
        kind: ``float32``, ``dynamic-range`` (weights int8) or ``int8`` (weights, activations, input and output).
        examples: float32 ``(n, *shape)``, images as the network will meet them; int8 takes its ranges from these.
    """
    shape = model.input_shape[1:]
    fixed = tf.function(lambda x: model(x, training=False)).get_concrete_function(
        tf.TensorSpec((1, *shape), tf.float32)
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([fixed], model)
    if kind != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if kind == "int8":
        if examples is None:
            raise ValueError("int8 needs examples")

        def representative() -> Iterator[list[Float32Array]]:
            for image in examples:
                yield [image[np.newaxis]]

        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


def export(
    run: Path,
    folder: Path,
    *,
    recipe: Recipe | None = None,
    version: str | None = None,
    kinds: Sequence[str] = tuple(NETWORKS),
) -> None:
    """Write a model folder; its networks, ``model.json`` and card are replaced.

    Args:
        run: a folder of :func:`kws.training.train.train`; the averaged weights of its last checkpoint ship.
        folder: is made where it is missing.
        recipe: says anew what training does not hear of (version, decision, licence ...); None for the run's own.
        version: of the model; None for the recipe's.
        kinds: keys of :data:`NETWORKS`, int8 among them.

    Raises:
        UsageError: there is no run, the recipe is of another one, or a kind is unknown or missing.
    """
    if unknown := set(kinds) - set(NETWORKS):
        raise UsageError(f"no network {min(unknown)!r}; there are {', '.join(NETWORKS)}")
    if "int8" not in kinds:
        raise UsageError("int8 is what a model folder stands for; it cannot be left out")
    trainer = load_run(run)
    if recipe is not None and not recipe.trains_like(trainer.recipe):
        raise UsageError(f"{run} was trained with another recipe")
    recipe = recipe or trainer.recipe
    if recipe.equal_priors:
        equalise_priors(trainer.averaged, recipe.mix.priors(len(recipe.keywords)))
    network = add_other_words(trainer.averaged, len(trainer.labels))
    examples = np.load(run / EXAMPLES_FILE)
    folder.mkdir(parents=True, exist_ok=True)
    digests = {}
    for kind in kinds:
        file, converted = NETWORKS[kind], convert(network, kind, examples)
        (folder / file).write_bytes(converted)
        digests[file] = hashlib.sha256(converted).hexdigest()
    description = Description(
        format=1,
        name=recipe.name,
        version=version or recipe.version,
        labels=trainer.labels,
        front_end=trainer.front_end,
        sha256=digests,
        decision=_with_hop(recipe.decision, trainer.front_end),
        licence=recipe.licence,
        attribution=recipe.attribution,
        training={
            "network": msgspec.to_builtins(recipe.network),
            "start": recipe.start,
            "other_words": recipe.other_words,
            "mix": msgspec.to_builtins(recipe.mix),
            "teaching": msgspec.to_builtins(recipe.teaching),
            "optimiser": msgspec.to_builtins(recipe.optimiser),
            "held_out_noise": recipe.held_out_noise,
            "clips": int(trainer.clips),
            "equal_priors": recipe.equal_priors,
            "kws": __version__,
        },
    )
    (folder / MODEL_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(description), indent=2) + b"\n")
    write_card(folder, description, parameters=trainer.averaged.count_params())


def _with_hop(decision: dict[str, Any], front_end: FrontEnd) -> dict[str, Any]:
    """Decision settings with a hop that the front-end can do: the least multiple of its step from 50 ms on."""
    hop = -(-_SHORTEST_HOP * front_end.sample_rate // front_end.frame_step) * front_end.frame_step
    tables = {"hop": hop / front_end.sample_rate, **decision.get("decision", {})}
    return {**decision, "decision": tables}
