"""The training loop, the same for both libraries: mixed windows into a network, with checkpoints that resume."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from kws.errors import UsageError
from kws.training.mixing import Mixer
from kws.training.prepare import Folders, Validation, prepare
from kws.training.recipe import FIRST_KEYWORD, UNKNOWN_LABEL, Recipe
from kws.training.runs import Checkpoint, Run, Weights
from kws.training.start import Start, read_start
from kws.training.teachers import read_targets
from kws.training.workers import Part, Work, Workers
from kws.types import Float32Array

_LARGEST_PART = 128
_CLIPS_PER_CHECK, _CHECKS = 25_600, 10
_SECONDS_PER_CHECK = 20.0
#: Steps whose answers are not read yet: one that is computed, and one whose batch is gathered meanwhile.
STEPS_OUT = 2

# Windows that are tried for an estimate; learning from one costs so many times what hearing it does.
_TRIED, _COST, _BANK_COST = 128, 3.0, 1.5

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


class Report:
    """Tells the user what happens: lines and a progress bar on the console, and JSON lines on standard output.

    Args:
        console: for people.
        as_json: True to write a line of JSON for each event as well.
    """

    def __init__(self, console: Console, *, as_json: bool = False) -> None:
        self.console = console
        self._as_json = as_json

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def event(self, kind: str, contents: object) -> None:
        if self._as_json:
            print(msgspec.json.encode({kind: contents}).decode(), flush=True)


def train(
    recipe: Recipe,
    folders: Folders,
    folder: Path,
    report: Report,
    *,
    framework: str,
    load_learner: Callable[[], type[Learner]],
) -> None:
    """Train a recipe into a folder, or go on with the run that the folder holds.

    Args:
        recipe: what to train.
        folders: the recordings.
        folder: gets ``checkpoint.npz``, ``recipe.json``, ``examples.npy``, ``held_out.json`` and ``history.jsonl``.
        report: tells the user.
        framework: that trains.
        load_learner: loads the framework, which takes seconds.

    Raises:
        UsageError: the folder belongs to another recipe, recordings are missing, or the framework cannot do it.
        KeyboardInterrupt: the user stopped it; a checkpoint has been written.
    """
    # First everything that may be wrong, then the long reading.
    if recipe.start and framework == "PyTorch":
        raise UsageError("start: PyTorch begins with random weights; train without --pytorch, or with --start none")
    run = Run(folder)
    recipe = run.claim(recipe, framework)
    before = run.checkpoint()
    targets = read_targets(recipe)
    if recipe.start:
        read_start(recipe)
    if before and before.clips >= recipe.optimiser.clips:
        report.say(
            f"{folder} has already learned from {before.clips} clips, so there is nothing to do. "
            f"To go on, also with new recordings, ask for more: --clips {2 * before.clips}"
        )
        return
    report.say("Reading the recordings")
    prepared = prepare(recipe, folders)
    recipe, material = prepared.recipe, prepared.material
    for line in prepared.understood.lines():
        report.say(line)
    report.event("understood", {**msgspec.to_builtins(prepared.understood), "warnings": prepared.understood.warnings})
    run.write(recipe, prepared.validation.files)
    settings, front_end, labels = recipe.optimiser, recipe.resolved_front_end, len(recipe.labels)
    mixer = Mixer(material, recipe.mix, labels=labels, window=front_end.window, seed=settings.seed)
    examples = run.examples(front_end, mixer)
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
        # The processes are forked before the framework starts threads or touches a graphics card.
        report.say(f"Loading {framework}")
        learner = load_learner()(recipe, examples, read_start(recipe) if recipe.start else None)
        if before:
            learner.restore(before.state)
        minutes = _expected_minutes(recipe, learner, mixer, examples, settings.clips - clips)
        report.say(f"Training with {framework} on {learner.device}: {minutes:.0f} min are expected")
        report.event("expected", {"minutes": round(minutes, 1)})
        session = _Session(recipe, run, learner, prepared.validation, report)
        clips = session.learn(workers, clips=clips, parts=settings.batch // size)
    if clips < settings.clips:
        report.say(f"stopped after {clips} clips; the same command goes on from there")
        raise KeyboardInterrupt
    session.conclude(recipe)


def _expected_minutes(recipe: Recipe, learner: Learner, mixer: Mixer, images: Float32Array, windows: int) -> float:
    """Estimate how long the windows will take, from a few of them."""
    images = images[:_TRIED]
    learner.posteriors(images)  # the first time also prepares the computation
    began = time.monotonic()
    learner.posteriors(images)
    heard = time.monotonic()
    for _ in images:
        mixer.draw()
    mixed = (time.monotonic() - heard) / recipe.mix.reuse / (os.cpu_count() or 1)
    return ((_BANK_COST if recipe.bank else _COST) * (heard - began) + mixed) / len(images) * windows / 60


class _Session:
    """One call of :func:`train`, once everything is prepared."""

    def __init__(self, recipe: Recipe, run: Run, learner: Learner, validation: Validation, report: Report) -> None:
        self._settings = recipe.optimiser
        self._labels = len(recipe.labels)
        self._priors = np.array(recipe.priors if recipe.equal_priors else (1.0,))
        self._run = run
        self._learner = learner
        self._images = recipe.resolved_front_end(validation.windows)
        self._truth = validation.labels
        self._report = report
        self._losses: list[float] = []
        self._confusion = np.zeros((self._labels, self._labels), np.int64)

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
            console=self._report.console,
            disable=not self._report.console.is_terminal,
        )
        task = progress.add_task("Training", total=total, completed=clips)
        checked, since = clips, time.monotonic()
        every = min(_CLIPS_PER_CHECK, max(batch, total // _CHECKS))
        with progress:
            try:
                while clips < total:
                    drawn = [workers.next() for _ in range(parts)]
                    under_way.append((drawn, self._learner.step(drawn, clips)))
                    clips += batch
                    due = clips % every < batch and time.monotonic() - since >= _SECONDS_PER_CHECK
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
                        self._check(clips, (clips - checked) / (time.monotonic() - since), total)
                        checked, since = clips, time.monotonic()
            except KeyboardInterrupt:
                self._save(clips)
        return clips

    def _save(self, clips: int) -> None:
        learner = self._learner
        self._run.save(Checkpoint(learner.framework, clips, learner.weights(), learner.state()))

    def _check(self, clips: int, speed: float, total: int) -> None:
        """Report the mean loss since the last check and the share of held-out windows that are right."""
        loss = float(np.mean(self._losses))
        self._losses.clear()
        accuracy = None
        if len(self._truth):
            posteriors = self._learner.posteriors(self._images)
            # Other words that the network tells apart are unknown words.
            posteriors[:, UNKNOWN_LABEL] += posteriors[:, self._labels :].sum(axis=1)
            heard = (posteriors[:, : self._labels] / self._priors).argmax(axis=1)
            self._confusion[:] = 0
            np.add.at(self._confusion, (self._truth, heard), 1)
            accuracy = float(np.mean(heard == self._truth))
        entry = {"clips": clips, "loss": round(loss, 4), "accuracy": accuracy, "clips_per_second": round(speed, 1)}
        self._run.log(entry)
        self._report.event("progress", entry)
        held_out = "" if accuracy is None else f"  held out {accuracy:.2%}"
        left = f"  {(total - clips) / speed / 60:.0f} min left" if clips < total else ""
        self._report.say(f"{clips:>9} clips  loss {loss:.3f}{held_out}  {speed:.0f} clips/s{left}")

    def conclude(self, recipe: Recipe) -> None:
        """Report how many held-out clips of each keyword are right, and how many others are taken for a keyword."""
        said = self._confusion.sum(axis=1).tolist()
        right = {word: int(self._confusion[i, i]) for i, word in enumerate(recipe.keywords, FIRST_KEYWORD)}
        of = dict(zip(recipe.keywords, said[FIRST_KEYWORD:], strict=True))
        taken = int(self._confusion[:FIRST_KEYWORD, FIRST_KEYWORD:].sum())
        others = sum(said[:FIRST_KEYWORD])
        self._report.event("result", {"right": right, "of": of, "taken_for_keywords": taken, "of_others": others})
        words = ", ".join(f"{word} {count} of {of[word]}" for word, count in right.items() if of[word])
        self._report.say(
            f"Held out: {words or 'no clip of a keyword'}; {taken} of {others} other words, sentences and silences "
            "taken for a keyword"
        )
        self._report.say(f"Next: kws export {self._run.folder} MODEL")
