"""Learning: mixed windows through the front-end into the network, with checkpoints that resume."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from kws.errors import UsageError
from kws.training.batches import batches
from kws.training.libraries import keras, tf
from kws.training.mixing import UNKNOWN_LABEL, Mixer
from kws.training.network import (
    add_other_words,
    build_network,
    decayed,
    finish_normalisation,
    set_layers,
    set_normalisation,
)
from kws.training.prepare import Folders, labels_of, prepare, summary
from kws.training.recipe import Recipe
from kws.training.runs import WEIGHTS_FILE, Journal, claim, examples_of, read_weights
from kws.training.schedule import averaging_momentum, learning_rate
from kws.training.spectra import column_moments
from kws.training.start import Start, begin, read_start
from kws.training.teaching import read_targets
from kws.types import Float32Array


class Trainer:
    """A network in training: its weights, their moving average, the optimiser's state and the clips heard so far."""

    def __init__(self, recipe: Recipe, run: Path) -> None:
        self.recipe = recipe
        self._run = run
        self.labels = labels_of(recipe)
        self.front_end = recipe.resolved_front_end
        self.outputs = len(self.labels) + len(recipe.other_words)
        self.model = build_network(recipe.network, self.front_end.shape, self.outputs)
        self.averaged = build_network(recipe.network, self.front_end.shape, self.outputs)
        settings = recipe.optimiser
        self._optimiser = keras.optimizers.AdamW(settings.rate, weight_decay=settings.weight_decay, global_clipnorm=5.0)
        self._optimiser.exclude_from_weight_decay(
            var_list=[v for v in self.model.trainable_variables if not decayed(v.name)]
        )
        self._optimiser.build(self.model.trainable_variables)
        self._loss = keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing)
        self.clips = tf.Variable(0, dtype=tf.int64, trainable=False, name="clips")
        checkpoint = tf.train.Checkpoint(
            model=self.model, averaged=self.averaged, optimiser=self._optimiser, clips=self.clips
        )
        self._checkpoints = tf.train.CheckpointManager(checkpoint, str(run / "checkpoints"), max_to_keep=2)

    def restore(self) -> bool:
        """Go on where the newest checkpoint was written; whether there was one."""
        if self._checkpoints.restore_or_initialize() is None:
            return False
        for model in (self.model, self.averaged):
            finish_normalisation(model)
        return True

    def adopt(self) -> bool:
        """Take the averaged weights of a run with PyTorch, to be exported; whether there are any."""
        if not (self._run / WEIGHTS_FILE).exists():
            return False
        weights, clips = read_weights(self._run)
        set_layers(self.averaged, weights)
        self.clips.assign(clips)
        return True

    def begin(self, images: Float32Array, start: Start | None) -> None:
        """Before the first step: measure the normalisation over images ``(n, *shape)``, or begin with a network."""
        if start is None:
            set_normalisation(self.model, *column_moments(images))
        else:
            begin(
                self.model,
                start,
                self.front_end,
                self.labels,
                images,
                seed=self.recipe.optimiser.seed,
                other_words=self.recipe.other_words,
            )
        self.averaged.set_weights(self.model.get_weights())
        finish_normalisation(self.averaged)

    def save(self) -> None:
        self._checkpoints.save(int(self.clips))

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(self, images: Any, targets: Any, rate: Any, momentum: Any) -> Any:
        """One step of AdamW and of the moving average: the loss, and the keywords' posteriors together ``(n,)``."""
        self._optimiser.learning_rate.assign(rate)
        with tf.GradientTape() as tape:
            posteriors = self.model(images, training=True)
            loss = self._loss(targets, posteriors)
        gradients = tape.gradient(loss, self.model.trainable_variables)
        self._optimiser.apply_gradients(zip(gradients, self.model.trainable_variables, strict=True))
        for average, variable in zip(self.averaged.variables, self.model.variables, strict=True):
            if variable.dtype.is_floating:
                average.assign_sub((1.0 - momentum) * (average - variable))
            else:
                average.assign(variable)
        self.clips.assign_add(tf.cast(tf.shape(images)[0], tf.int64))
        return loss, tf.reduce_sum(posteriors[:, UNKNOWN_LABEL + 1 : len(self.labels)], axis=1)

    def posteriors(self, images: Float32Array) -> Float32Array:
        """What the averaged network says of images ``(n, *shape)``: ``(n, labels)``."""
        model = add_other_words(self.averaged, len(self.labels))
        parts = [model(images[i : i + 256], training=False).numpy() for i in range(0, len(images), 256)]
        return np.concatenate(parts)


def train(recipe: Recipe, folders: Folders, run: Path, console: Console) -> None:
    """Train a recipe into a folder, or go on with what the folder holds.

    Args:
        recipe: what to train; without peers, which learn with :mod:`kws.training.pytorch.train` only.
        folders: the recordings.
        run: gets checkpoints, ``recipe.json``, ``examples.npy`` and ``history.jsonl`` (one line per check).
        console: for the progress bar.

    Raises:
        UsageError: the folder belongs to another recipe, or recordings are missing.
        KeyboardInterrupt: the user stopped it; a checkpoint has been written.
    """
    if (run / WEIGHTS_FILE).exists():
        raise UsageError(f"{run} holds a run with --pytorch: go on with it, or choose another folder with --run")
    claim(run, recipe)
    # What is wrong with these shows before the long reading.
    start = read_start(recipe) if recipe.start else None
    targets = read_targets(recipe, labels_of(recipe))
    material, validation = prepare(recipe, folders)
    console.print(summary(material, validation))
    settings = recipe.optimiser
    keras.utils.set_random_seed(settings.seed)  # of the first weights, and of what is dropped
    trainer = Trainer(recipe, run)
    resumed = trainer.restore()
    # A resumed run draws on with another seed, lest it hear the beginning twice.
    seed = [settings.seed, int(trainer.clips)]
    mixer = Mixer(material, recipe.mix, labels=len(trainer.labels), window=trainer.front_end.window, seed=seed)
    examples = examples_of(run, trainer.front_end, mixer)
    if not resumed:
        trainer.begin(examples, start)
    shape = (settings.batch, *trainer.front_end.shape)
    data = tf.data.Dataset.from_generator(
        lambda: batches(mixer, trainer.front_end, targets, recipe.mix, size=settings.batch, seed=settings.seed),
        output_signature=(
            tf.TensorSpec(shape, tf.float32),
            tf.TensorSpec((settings.batch, trainer.outputs), tf.float32),
            tf.TensorSpec((settings.batch,), tf.int64),
        ),
    ).prefetch(8)
    held_out = trainer.front_end(validation.windows)

    def accuracy() -> float | None:
        if not len(held_out):
            return None
        return float(np.mean(trainer.posteriors(held_out).argmax(axis=1) == validation.labels))

    journal = Journal(run, total=settings.clips, clips=int(trainer.clips), batch=settings.batch, console=console)
    try:
        with journal:
            _learn(trainer, mixer, iter(data), check=accuracy, journal=journal)
    except KeyboardInterrupt:
        trainer.save()
        console.print(f"stopped after {int(trainer.clips)} clips; the same command goes on from there")
        raise


def _learn(
    trainer: Trainer,
    mixer: Mixer,
    data: Iterator[Any],
    *,
    check: Callable[[], float | None],
    journal: Journal,
) -> None:
    """Take steps until all clips are heard; save, check and report every so often."""
    settings = trainer.recipe.optimiser
    losses: list[Any] = []
    while (clips := int(trainer.clips)) < settings.clips:
        images, targets, origins = next(data)
        rate, momentum = learning_rate(settings, clips), averaging_momentum(settings, clips)
        loss, keyword = trainer.step(images, targets, tf.constant(rate), tf.constant(momentum))
        losses.append(loss)
        mixer.report(origins.numpy(), keyword.numpy())
        clips += settings.batch
        if journal.heard(clips):
            trainer.save()
            journal.check(clips, float(np.mean([float(loss) for loss in losses])), check())
            losses.clear()
