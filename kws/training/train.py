"""The training loop, the same for both libraries: mixed windows into a network, with checkpoints that resume."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from kws.errors import UsageError
from kws.training.mixing import Mixer
from kws.training.prepare import Folders, Validation, prepare
from kws.training.recipe import UNKNOWN_LABEL, Recipe
from kws.training.runs import Checkpoint, Run, Weights
from kws.training.start import Start, read_start
from kws.training.teachers import read_targets
from kws.training.workers import Part, Work, Workers
from kws.types import Float32Array

_LARGEST_PART = 128
_CLIPS_PER_CHECK = 25_600
_SECONDS_PER_CHECK = 20.0
#: Steps whose answers are not read yet: one that is computed, and one whose batch is gathered meanwhile.
STEPS_OUT = 2

#: Waits for a step and returns its loss and the sum of all keywords' posteriors, float32 ``(batch,)``.
Answer: TypeAlias = Callable[[], tuple[float, Float32Array]]


class Learner(Protocol):
    """A network in training, with one framework.

    Args:
        recipe: what to train.
        examples: images ``(n, *shape)``, over which the normalisation is measured.
        start: a network to begin with, or None for random weights.
    """

    #: The framework's name.
    framework: ClassVar[str]
    #: True if it can begin with a trained model.
    can_start: ClassVar[bool]
    #: What it runs on, for the user.
    device: str

    def __init__(self, recipe: Recipe, examples: Float32Array, start: Start | None = None) -> None: ...

    def step(self, parts: Sequence[Part], clips: int) -> Answer:
        """Begin to learn from a batch, after ``clips`` windows; the parts stay unchanged until the answer is read."""

    def posteriors(self, images: Float32Array) -> Float32Array:
        """Return the averaged network's posteriors ``(n, outputs)`` for images ``(n, *shape)``."""

    def weights(self) -> Weights:
        """Return the averaged network's weights."""

    def state(self) -> list[npt.NDArray[Any]]:
        """Return everything that :meth:`restore` needs."""

    def restore(self, state: Sequence[npt.NDArray[Any]]) -> None:
        """Go back to a state."""


def train(
    recipe: Recipe,
    folders: Folders,
    folder: Path,
    console: Console,
    learner_class: type[Learner],
) -> None:
    """Train a recipe into a folder, or go on with the run that the folder holds.

    Args:
        recipe: what to train.
        folders: the recordings.
        folder: gets ``checkpoint.npz``, ``recipe.json``, ``examples.npy`` and ``history.jsonl`` (a line per check).
        console: for the progress.
        learner_class: of the framework.

    Raises:
        UsageError: the folder belongs to another recipe, recordings are missing, or the framework cannot do it.
        KeyboardInterrupt: the user stopped it; a checkpoint has been written.
    """

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    # First everything that may be wrong, then the long reading.
    if recipe.start and not learner_class.can_start:
        raise UsageError(f"start: {learner_class.framework} begins with random weights; train without --pytorch")
    run, settings = Run(folder), recipe.optimiser
    run.claim(recipe, learner_class.framework)
    before = run.checkpoint()
    start = read_start(recipe) if recipe.start and before is None else None
    targets = read_targets(recipe)
    if before and before.clips >= settings.clips:
        say(
            f"{folder} has already learned from {before.clips} clips, so there is nothing to do. "
            f"To go on, also with new recordings, ask for more: --clips {2 * before.clips}"
        )
        return
    material, validation = prepare(recipe, folders, say)
    front_end, labels = recipe.resolved_front_end, len(recipe.labels)
    examples = run.examples(
        front_end, lambda: Mixer(material, recipe.mix, labels=labels, window=front_end.window, seed=settings.seed)
    )
    work = Work(material, recipe.mix, targets, labels=labels, outputs=recipe.outputs, front_end=front_end)
    size = next(size for size in range(min(_LARGEST_PART, settings.batch), 0, -1) if settings.batch % size == 0)
    clips = before.clips if before else 0
    with Workers(
        work,
        size=size,
        out=STEPS_OUT * settings.batch // size,
        processes=max(1, (os.cpu_count() or 2) - 1),
        seed=[settings.seed, clips],  # a resumed run draws other windows
    ) as workers:
        # The processes are forked before the learner touches a graphics card.
        learner = learner_class(recipe, examples, start)
        if before:
            learner.restore(before.state)
        console.print(f"Training with {learner.framework} on {learner.device}")
        session = _Session(recipe, run, learner, validation, console)
        clips = session.learn(workers, clips=clips, parts=settings.batch // size)
    if clips < settings.clips:
        console.print(f"stopped after {clips} clips; the same command goes on from there")
        raise KeyboardInterrupt


class _Session:
    """One call of :func:`train`, once everything is prepared."""

    def __init__(self, recipe: Recipe, run: Run, learner: Learner, validation: Validation, console: Console) -> None:
        self._settings = recipe.optimiser
        self._labels = len(recipe.labels)
        self._run = run
        self._learner = learner
        self._images = recipe.resolved_front_end(validation.windows)
        self._truth = validation.labels
        self._console = console
        self._losses: list[float] = []

    def learn(self, workers: Workers, *, clips: int, parts: int) -> int:
        """Take steps until all windows are used or the user stops it; return how many have been used by then."""
        total, batch = self._settings.clips, self._settings.batch
        under_way: deque[tuple[list[Part], Answer]] = deque()
        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        task = progress.add_task("Training", total=total, completed=clips)
        checked, since = clips, time.monotonic()
        with progress:
            try:
                while clips < total:
                    drawn = [workers.next() for _ in range(parts)]
                    under_way.append((drawn, self._learner.step(drawn, clips)))
                    clips += batch
                    due = clips % _CLIPS_PER_CHECK < batch and time.monotonic() - since >= _SECONDS_PER_CHECK
                    due = due or clips >= total
                    # A graphics card computes this step while the answer to the last one is read.
                    while len(under_way) > (0 if due else STEPS_OUT - 1):
                        answered, answer = under_way.popleft()
                        loss, keyword = answer()
                        self._losses.append(loss)
                        workers.give_back(answered, keyword)
                    progress.update(task, completed=min(clips, total))
                    if due:
                        self._save(clips)
                        self._check(clips, (clips - checked) / (time.monotonic() - since))
                        checked, since = clips, time.monotonic()
            except KeyboardInterrupt:
                self._save(clips)
        return clips

    def _save(self, clips: int) -> None:
        learner = self._learner
        self._run.save(Checkpoint(learner.framework, clips, learner.weights(), learner.state()))

    def _check(self, clips: int, speed: float) -> None:
        """Report the mean loss since the last check and the share of held-out windows that are right."""
        loss = float(np.mean(self._losses))
        self._losses.clear()
        accuracy = None
        if len(self._truth):
            posteriors = self._learner.posteriors(self._images)
            # Other words that the network tells apart are unknown words.
            posteriors[:, UNKNOWN_LABEL] += posteriors[:, self._labels :].sum(axis=1)
            accuracy = float(np.mean(posteriors[:, : self._labels].argmax(axis=1) == self._truth))
        self._run.log(
            {"clips": clips, "loss": round(loss, 4), "accuracy": accuracy, "clips_per_second": round(speed, 1)}
        )
        held_out = "" if accuracy is None else f"  held out {accuracy:.2%}"
        self._console.print(f"{clips:>9} clips  loss {loss:.3f}{held_out}  {speed:.0f} clips/s")
