"""Export: from a training run to a model folder with TFLite networks, ``model.json`` and a card."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from kws import __version__
from kws.common.digest import sha256_of
from kws.errors import UsageError
from kws.features.front_end import FrontEnd
from kws.inference.model import DEFAULT_NETWORK, FLOAT32_NETWORK, MODEL_FILE, Description
from kws.training.bank_examples import BankExamples
from kws.training.card import write_card
from kws.training.embedding import expose_embedding
from kws.training.recipe import Recipe
from kws.training.runs import EXAMPLES_FILE, Run
from kws.training.start import read_start
from kws.training.tensorflow import tf
from kws.training.tensorflow.network import add_other_words, build_network, equalise_priors, halves, set_weights
from kws.training.thresholds import choose_threshold, with_threshold
from kws.types import Float32Array

#: Number format -> file in the model folder; a model folder without a file name stands for the first.
NETWORKS = {"int8": DEFAULT_NETWORK, "float32": FLOAT32_NETWORK, "dynamic-range": "model-dynamic.tflite"}

_SHORTEST_HOP_SECONDS = 0.05


def load_network(run: Run) -> tuple[Any, int]:
    """Return the averaged network of a run's checkpoint as a Keras model, and the windows that it has learned from.

    Raises:
        UsageError: there is no run, or it has no checkpoint yet.
    """
    recipe, checkpoint = run.recipe(), run.checkpoint()
    if checkpoint is None:
        raise UsageError(f"{run.folder}: no checkpoint yet; let kws train go on")
    model = build_network(recipe.network, recipe.resolved_front_end.shape, recipe.outputs)
    set_weights(model, checkpoint.weights)
    return model, checkpoint.clips


def convert(model: Any, kind: str, examples: Float32Array | None = None) -> bytes:
    """Convert a Keras model to TFLite.

    Args:
        model: from images ``(batch, *shape)`` to posteriors.
        kind: ``float32``, ``dynamic-range`` (weights int8) or ``int8`` (weights, activations, input and output).
        examples: float32 ``(n, *shape)``, images as the network will meet them, which int8 takes its ranges from.
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
    folder: Path,
    model_folder: Path,
    *,
    recipe: Recipe | None = None,
    version: str | None = None,
    kinds: Sequence[str] = tuple(NETWORKS),
    say: Callable[[str], None] = lambda _: None,
) -> None:
    """Write a model folder; its networks, ``model.json`` and card are replaced.

    Args:
        folder: of :func:`kws.training.train.train`.
        model_folder: created if it is missing.
        recipe: the run's recipe with another version, decision, licence and so on; None for the run's own.
        version: of the model; None for the recipe's.
        kinds: keys of :data:`NETWORKS`, int8 among them.
        say: called with a line about each file that is being written.

    Raises:
        UsageError: there is no run, the recipe is of another one, or a kind is unknown or missing.
    """
    if unknown := set(kinds) - set(NETWORKS):
        raise UsageError(f"no network {min(unknown)!r}; there are {', '.join(NETWORKS)}")
    if "int8" not in kinds:
        raise UsageError("int8 is the network that a model folder stands for; it cannot be left out")
    run = Run(folder)
    trained = run.recipe()
    model, clips = load_network(run)
    if recipe is not None and not recipe.continues(trained):
        raise UsageError(f"{folder} was trained with another recipe")
    recipe = recipe or trained
    front_end = recipe.resolved_front_end
    parameters = model.count_params()
    if recipe.equal_priors:
        equalise_priors(model, recipe.priors)
    examples, decision = np.load(folder / EXAMPLES_FILE), recipe.decision
    if recipe.bank and not decision.get("keyword"):
        say("Choosing thresholds on speech that comes with kws")
        decision = _with_thresholds(model, recipe, examples)
    model = add_other_words(model, len(recipe.labels))
    model_folder.mkdir(parents=True, exist_ok=True)
    digests = {}
    for kind in kinds:
        file = NETWORKS[kind]
        say(f"Converting to {kind}: {model_folder / file}")
        network, embedding = expose_embedding(convert(model, kind, examples))
        (model_folder / file).write_bytes(network)
        digests[file] = sha256_of(network)
    kept = ("network", "start", "bank", "other_words", "mix", "teaching", "optimiser", "held_out_noise", "equal_priors")
    description = Description(
        format=1,
        name=recipe.name,
        version=version or recipe.version,
        labels=recipe.labels,
        front_end=front_end,
        sha256=digests,
        embedding=embedding,
        decision=_with_hop(decision, front_end),
        licence=recipe.licence,
        attribution=recipe.attribution,
        training={
            **{name: msgspec.to_builtins(getattr(recipe, name)) for name in kept},
            "clips": clips,
            "kws": __version__,
        },
    )
    (model_folder / MODEL_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(description), indent=2) + b"\n")
    write_card(model_folder, description, parameters=parameters)
    say(f"Wrote {model_folder}; try it: kws listen --model {model_folder}")


def _with_thresholds(model: Any, recipe: Recipe, examples: Float32Array) -> dict[str, Any]:
    """Return the recipe's decision settings with thresholds that suit the speech of the bank."""
    bank = read_start(recipe).bank
    assert bank
    body, head = halves(model)
    embeddings = body.predict(examples, verbose=0).reshape(len(examples), -1)
    others = BankExamples(bank, recipe.keywords, embeddings, recipe.optimiser.seed)
    speech, words = (
        head.predict(part.reshape(-1, *head.input_shape[1:]), verbose=0) for part in (others.speech(), others.words())
    )
    average = choose_threshold(bank, speech, words, recipe.labels, recipe.decision)
    return with_threshold(recipe.decision, recipe.keywords, average)


def _with_hop(decision: dict[str, Any], front_end: FrontEnd) -> dict[str, Any]:
    """Return decision settings with a hop that suits the front-end: the least multiple of its step from 50 ms on."""
    hop = -(-_SHORTEST_HOP_SECONDS * front_end.sample_rate // front_end.frame_step) * front_end.frame_step
    tables = {"hop": hop / front_end.sample_rate, **decision.get("decision", {})}
    return {**decision, "decision": tables}
