"""Learning with PyTorch: as :func:`kws.training.train.train`, and on a graphics card where there is one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from kws.common.stderr import silenced
from kws.errors import UsageError
from kws.training.mixing import Mixer
from kws.training.prepare import Folders, labels_of, prepare, summary
from kws.training.pytorch.network import weights_of
from kws.training.pytorch.pupil import Cohort, Pupil
from kws.training.pytorch.workers import Part, Work, Workers
from kws.training.recipe import Recipe
from kws.training.runs import Journal, claim, examples_of, write_weights
from kws.training.teaching import read_targets

_CHECKPOINT_FILE = "checkpoint.pt"
_LARGEST_PART = 128
_SECONDS_PER_CHECK = 20.0
_BATCHES_OUT = 2  # the one that is learnt from, and the one that is gathered meanwhile


def train(recipe: Recipe, folders: Folders, run: Path, console: Console) -> None:
    """Train a recipe into a folder, or go on with what the folder holds.

    Args:
        recipe: what to train; its peers learn beside it.
        folders: the recordings.
        run: gets ``weights.npz`` (the averaged weights), ``checkpoint.pt``, ``recipe.json``, ``examples.npy`` and
            ``history.jsonl`` (one line per check).
        console: for the progress bar.

    Raises:
        UsageError: the folder belongs to another recipe, recordings are missing, or the recipe asks for what is not
            done here.
        KeyboardInterrupt: the user stopped it; a checkpoint has been written.
    """
    if recipe.start:
        raise UsageError("start: PyTorch begins with random weights; train without --pytorch to begin with a model")
    if recipe.other_words:
        raise UsageError("other_words: only TensorFlow tells them apart; train without --pytorch and without peers")
    if (run / "checkpoints").exists():
        raise UsageError(f"{run} holds a run without --pytorch: go on without it, or choose another folder with --run")
    claim(run, recipe)
    settings, labels = recipe.optimiser, labels_of(recipe)
    targets = read_targets(recipe, labels)
    material, validation = prepare(recipe, folders)
    console.print(summary(material, validation))
    front_end = recipe.resolved_front_end
    checkpoint = run / _CHECKPOINT_FILE
    before = torch.load(checkpoint, map_location="cpu", weights_only=True) if checkpoint.exists() else None
    clips = before["clips"] if before else 0
    mixer = Mixer(material, recipe.mix, labels=len(labels), window=front_end.window, seed=[settings.seed, 0])
    examples = examples_of(run, front_end, mixer)
    size = next(size for size in range(min(_LARGEST_PART, settings.batch), 0, -1) if settings.batch % size == 0)
    work = Work(material, recipe.mix, targets, labels=len(labels), front_end=front_end)
    out = _BATCHES_OUT * settings.batch // size
    processes = max(1, (os.cpu_count() or 2) - 1)
    # A resumed run draws on with another seed, lest it hear the beginning twice.
    with Workers(work, size=size, out=out, processes=processes, seed=[settings.seed, clips]) as workers:
        # The processes are forked from one that has not touched the graphics card yet.
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        console.print(f"on {torch.cuda.get_device_name() if device.type == 'cuda' else 'the processor'}")
        torch.manual_seed(settings.seed)
        # The first optimiser of PyTorch has TensorFlow loaded where it is installed, which greets.
        with silenced():
            pupils = [
                Pupil(network, settings, labels=len(labels), examples=examples, device=device)
                for network in (recipe.network, *recipe.teaching.peers)
            ]
        cohort = Cohort(
            pupils,
            settings,
            share=recipe.teaching.share,
            labels=len(labels),
            shape=front_end.shape,
            device=device,
        )
        if device.type == "cuda":
            cohort.record(examples)
        if before:
            for pupil, state in zip(pupils, before["pupils"], strict=True):
                pupil.restore(state)
        held_out = torch.from_numpy(front_end(validation.windows)).to(device)

        def accuracy() -> float | None:
            if not len(held_out):
                return None
            said = pupils[0].posteriors(held_out).argmax(1).cpu().numpy()
            return float(np.mean(said == validation.labels))

        def save(clips: int) -> None:
            unfinished = checkpoint.with_suffix(".part")
            torch.save({"clips": clips, "pupils": [pupil.state() for pupil in pupils]}, unfinished)
            unfinished.replace(checkpoint)
            write_weights(run, weights_of(pupils[0].averaged), clips)

        journal = Journal(
            run,
            total=settings.clips,
            clips=clips,
            batch=settings.batch,
            console=console,
            seconds=_SECONDS_PER_CHECK,
        )
        with journal:
            clips = _learn(cohort, workers, journal, clips=clips, total=settings.clips, save=save, check=accuracy)
        if clips < settings.clips:
            console.print(f"stopped after {clips} clips; the same command goes on from there")
            raise KeyboardInterrupt


class _Staging:
    """Memory from which a batch travels to the graphics card while that learns from the one before."""

    def __init__(self, cohort: Cohort) -> None:
        pinned = cohort.plain.device.type == "cuda"
        self._there = (cohort.plain, cohort.disguised, cohort.targets)
        self._here = [torch.zeros(tensor.shape, pin_memory=pinned) for tensor in self._there]
        self._keyword = torch.zeros(cohort.keyword.shape, pin_memory=pinned)
        self._parts: list[Part] = []
        self._done: Any = torch.cuda.Event() if pinned else None

    def fill(self, workers: Workers) -> None:
        """Gather a batch."""
        first = 0
        while first < len(self._keyword):
            part = workers.next()
            self._parts.append(part)
            last = first + len(part.targets)
            for tensor, array in zip(self._here, (part.plain, part.disguised, part.targets), strict=True):
                tensor[first:last] = torch.from_numpy(array)
            first = last

    def send(self) -> None:
        """Have the batch travel."""
        for there, here in zip(self._there, self._here, strict=True):
            there.copy_(here, non_blocking=True)

    def answer(self, cohort: Cohort) -> None:
        """Have the answer of a step travel back."""
        self._keyword.copy_(cohort.keyword, non_blocking=True)
        if self._done is not None:
            self._done.record()

    def give_back(self, workers: Workers) -> None:
        """Wait for the answer, and have it reach those who mixed the batch."""
        if self._done is not None:
            self._done.synchronize()
        first = 0
        for part in self._parts:
            last = first + len(part.targets)
            workers.give_back(part, self._keyword[first:last].numpy().copy())
            first = last
        self._parts.clear()


def _learn(
    cohort: Cohort,
    workers: Workers,
    journal: Journal,
    *,
    clips: int,
    total: int,
    save: Callable[[int], None],
    check: Callable[[], float | None],
) -> int:
    """Take steps until all clips are heard, or the user stops it; the clips heard then."""
    losses: list[torch.Tensor] = []
    now, before = _Staging(cohort), _Staging(cohort)
    try:
        while clips < total:
            now.fill(workers)
            now.send()
            cohort.step(clips)
            now.answer(cohort)
            losses.append(cohort.losses[0].clone())
            # Only now, that the graphics card has something to do meanwhile.
            before.give_back(workers)
            now, before = before, now
            clips += len(cohort.targets)
            if journal.heard(clips):
                save(clips)
                journal.check(clips, float(torch.stack(losses).mean()), check())
                losses.clear()
    except KeyboardInterrupt:
        save(clips)
    return clips
