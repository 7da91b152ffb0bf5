"""Learning: mixed windows through the front-end into the network, with checkpoints that resume."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from kws.errors import UsageError
from kws.frontend import FrontEnd
from kws.training.augment import colour_spectrogram, mask_spectrogram
from kws.training.libraries import keras, tf
from kws.training.mixing import UNKNOWN_LABEL, Example, Mixer, Source
from kws.training.network import build_network, decayed, finish_normalisation, set_normalisation
from kws.training.prepare import Folders, labels_of, prepare
from kws.training.recipe import Mix, Recipe
from kws.training.schedule import learning_rate
from kws.training.spectra import TrainingFrontEnd
from kws.training.start import Start, begin, read_start
from kws.training.teaching import read_targets
from kws.values import Float32Array

RECIPE_FILE = "recipe.json"
HISTORY_FILE = "history.jsonl"
EXAMPLES_FILE = "examples.npy"
_CLIPS_PER_CHECK = 25_600
_EXAMPLES = 1_000
_POOL = 8  # batches that mixed windows are drawn from again


def batches(
    source: Source, front_end: FrontEnd, target: Callable[[Example], Float32Array], mix: Mix, *, size: int, seed: int
) -> Iterator[tuple[Float32Array, Float32Array, npt.NDArray[np.int64]]]:
    """Images ``(size, *shape)``, targets ``(size, labels)`` and origins ``(size,)`` without end.

    Mixing a window costs as much as learning from it. With ``mix.reuse`` above 1 only that part of a batch is new and
    the rest is drawn from the last few batches' windows (data echoing, arXiv:1907.05550); colours and masks are
    always new.
    """
    front_end = TrainingFrontEnd.like(front_end)
    rng = np.random.default_rng(seed)
    pool: list[tuple[Float32Array, Float32Array, int]] = []
    new = max(1, round(size / mix.reuse))
    while True:
        drawn = (source.draw() for _ in range(size if len(pool) < size else new))
        fresh = [(front_end(example.window), target(example), example.origin) for example in drawn]
        again = rng.choice(len(pool), size - len(fresh), replace=False) if len(fresh) < size else ()
        batch = fresh + [pool[i] for i in again]
        images = np.stack([image for image, _, _ in batch])
        for image in images:
            if mix.colour or mix.band_limit or mix.suppression:
                colour_spectrogram(
                    rng,
                    image,
                    log_offset=front_end.log_offset,
                    gain=mix.colour,
                    band_limit=mix.band_limit,
                    suppression=mix.suppression,
                )
            mask_spectrogram(
                rng,
                image,
                time_masks=mix.time_masks,
                time_mask=mix.time_mask,
                frequency_masks=mix.frequency_masks,
                frequency_mask=mix.frequency_mask,
            )
        yield images, np.stack([target for _, target, _ in batch]), np.array([origin for _, _, origin in batch])
        if mix.reuse > 1:
            pool += fresh
            # A random one makes way for each, so that all are drawn equally often in the mean.
            for i in rng.integers(len(pool), size=max(0, len(pool) - _POOL * size)):
                pool[i % len(pool)] = pool[-1]
                pool.pop()


class Trainer:
    """A network in training: its weights, their moving average, the optimiser's state and the clips heard so far."""

    def __init__(self, recipe: Recipe, run: Path) -> None:
        self.recipe = recipe
        self.labels = labels_of(recipe)
        self.front_end = recipe.resolved_front_end
        self.model = build_network(recipe.network, self.front_end.shape, len(self.labels))
        self.averaged = build_network(recipe.network, self.front_end.shape, len(self.labels))
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

    def begin(self, images: Float32Array, start: Start | None) -> None:
        """Before the first step: measure the normalisation over images ``(n, *shape)``, or begin with a network."""
        if start is None:
            set_normalisation(self.model, images)
        else:
            begin(self.model, start, self.front_end, self.labels, images, seed=self.recipe.optimiser.seed)
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
        return loss, tf.reduce_sum(posteriors[:, UNKNOWN_LABEL + 1 :], axis=1)

    def momentum(self) -> float:
        """How much of the average stays: little at first, when the weights are still random."""
        steps = int(self.clips) / self.recipe.optimiser.batch
        constant = min(self.recipe.optimiser.averaging, 1 + steps / 5)
        return 1.0 - 1.0 / constant

    def posteriors(self, images: Float32Array) -> Float32Array:
        """What the averaged network says of images ``(n, *shape)``: ``(n, labels)``."""
        parts = [self.averaged(images[i : i + 256], training=False).numpy() for i in range(0, len(images), 256)]
        return np.concatenate(parts)


def train(recipe: Recipe, folders: Folders, run: Path, console: Console) -> Trainer:
    """Train a recipe into a folder, or go on with what the folder holds.

    Args:
        recipe: what to train.
        folders: the recordings.
        run: gets checkpoints, ``recipe.json``, ``examples.npy`` and ``history.jsonl`` (one line per check).
        console: for the progress bar.

    Raises:
        UsageError: the folder belongs to another recipe, or recordings are missing.
        KeyboardInterrupt: the user stopped it; a checkpoint has been written.
    """
    _claim(run, recipe)
    # What is wrong with these shows before the long reading.
    start = read_start(recipe) if recipe.start else None
    targets = read_targets(recipe, labels_of(recipe))
    material, validation = prepare(recipe, folders)
    console.print(
        f"{len(material.words)} words, {material.speech.seconds / 3600:.1f} h of speech, "
        f"{material.noise.seconds / 60:.0f} min of noise; {len(validation.labels)} windows held out"
    )
    trainer = Trainer(recipe, run)
    settings = recipe.optimiser
    resumed = trainer.restore()
    # A resumed run draws on with another seed, lest it hear the beginning twice.
    seed = [settings.seed, int(trainer.clips)]
    mixer = Mixer(material, recipe.mix, labels=len(trainer.labels), window=trainer.front_end.window, seed=seed)
    examples = _examples(run, trainer.front_end, mixer)
    if not resumed:
        trainer.begin(examples, start)
    shape = (settings.batch, *trainer.front_end.shape)
    data = tf.data.Dataset.from_generator(
        lambda: batches(mixer, trainer.front_end, targets, recipe.mix, size=settings.batch, seed=settings.seed),
        output_signature=(
            tf.TensorSpec(shape, tf.float32),
            tf.TensorSpec((settings.batch, len(trainer.labels)), tf.float32),
            tf.TensorSpec((settings.batch,), tf.int64),
        ),
    ).prefetch(8)
    held_out = trainer.front_end(validation.windows)

    def accuracy() -> float | None:
        if not len(held_out):
            return None
        return float(np.mean(trainer.posteriors(held_out).argmax(axis=1) == validation.labels))

    try:
        _learn(trainer, mixer, iter(data), check=accuracy, history=run / HISTORY_FILE, console=console)
    except KeyboardInterrupt:
        trainer.save()
        console.print(f"stopped after {int(trainer.clips)} clips; the same command goes on from there")
        raise
    return trainer


def _learn(
    trainer: Trainer,
    mixer: Mixer,
    data: Iterator[Any],
    *,
    check: Callable[[], float | None],
    history: Path,
    console: Console,
) -> None:
    """Take steps until all clips are heard; save, check and report every so often."""
    settings = trainer.recipe.optimiser
    losses: list[Any] = []
    bar = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*bar, TimeRemainingColumn(elapsed_when_finished=True), console=console) as progress:
        task = progress.add_task("Training", total=settings.clips, completed=int(trainer.clips))
        since = time.monotonic()
        while (clips := int(trainer.clips)) < settings.clips:
            images, targets, origins = next(data)
            rate = learning_rate(settings, clips)
            loss, keyword = trainer.step(images, targets, tf.constant(rate), tf.constant(trainer.momentum()))
            losses.append(loss)
            mixer.report(origins.numpy(), keyword.numpy())
            clips += settings.batch
            progress.update(task, completed=min(clips, settings.clips))
            if clips % _CLIPS_PER_CHECK >= settings.batch and clips < settings.clips:
                continue
            trainer.save()
            entry = {
                "clips": clips,
                "loss": round(float(np.mean([float(loss) for loss in losses])), 4),
                "accuracy": check(),
                "clips_per_second": round(len(losses) * settings.batch / (time.monotonic() - since), 1),
            }
            with history.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
            held_out = "" if entry["accuracy"] is None else f"  held out {entry['accuracy']:.2%}"
            progress.console.print(
                f"{clips:>9} clips  loss {entry['loss']:.3f}{held_out}  {entry['clips_per_second']:.0f} clips/s"
            )
            losses.clear()
            since = time.monotonic()


def _examples(run: Path, front_end: FrontEnd, mixer: Mixer) -> Float32Array:
    """Images as the network meets them: for its normalisation, and for the integer ranges of an export."""
    path = run / EXAMPLES_FILE
    if not path.exists():
        np.save(path, np.stack([front_end(mixer.draw().window) for _ in range(_EXAMPLES)]))
    images: Float32Array = np.load(path)
    return images


def _claim(run: Path, recipe: Recipe) -> None:
    """Make the folder this recipe's."""
    run.mkdir(parents=True, exist_ok=True)
    stored = run / RECIPE_FILE
    if stored.exists():
        before = msgspec.json.decode(stored.read_bytes(), type=Recipe)
        if not recipe.trains_like(before):
            raise UsageError(f"{run} holds a run of another recipe: choose another folder with --run, or remove it")
    stored.write_bytes(msgspec.json.format(msgspec.json.encode(recipe)))
