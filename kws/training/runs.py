"""A training run's folder: whose it is, its weights, and how it went."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from kws.errors import UsageError
from kws.features.front_end import FrontEnd
from kws.training.mixing import Mixer
from kws.training.recipe import Recipe
from kws.types import Float32Array

RECIPE_FILE = "recipe.json"
HISTORY_FILE = "history.jsonl"
EXAMPLES_FILE = "examples.npy"
WEIGHTS_FILE = "weights.npz"
_CLIPS = "clips"
_CLIPS_PER_CHECK = 25_600
_EXAMPLES = 1_000


def claim(run: Path, recipe: Recipe) -> None:
    """Make the folder this recipe's.

    Raises:
        UsageError: it is another's.
    """
    run.mkdir(parents=True, exist_ok=True)
    stored = run / RECIPE_FILE
    if stored.exists():
        before = msgspec.json.decode(stored.read_bytes(), type=Recipe)
        if not recipe.trains_like(before):
            raise UsageError(f"{run} holds a run of another recipe: choose another folder with --run, or remove it")
    stored.write_bytes(msgspec.json.format(msgspec.json.encode(recipe)))


def examples_of(run: Path, front_end: FrontEnd, mixer: Mixer) -> Float32Array:
    """Images as the network meets them: for its normalisation, and for the integer ranges of an export."""
    path = run / EXAMPLES_FILE
    if not path.exists():
        np.save(path, np.stack([front_end(mixer.draw().window) for _ in range(_EXAMPLES)]))
    images: Float32Array = np.load(path)
    return images


def write_weights(run: Path, weights: Mapping[str, Sequence[Float32Array]], clips: int) -> None:
    """Keep the weights of each layer by its name, and after how many clips they were so, in place of earlier ones."""
    unfinished = run / f"{WEIGHTS_FILE}.part"
    arrays: dict[str, Any] = {_CLIPS: np.array(clips)}
    arrays |= {f"{name}/{i}": value for name, values in weights.items() for i, value in enumerate(values)}
    with unfinished.open("wb") as file:
        np.savez(file, **arrays)
    unfinished.replace(run / WEIGHTS_FILE)


def read_weights(run: Path) -> tuple[dict[str, list[Float32Array]], int]:
    """The reverse of :func:`write_weights`."""
    weights: dict[str, list[Float32Array]] = {}
    with np.load(run / WEIGHTS_FILE) as arrays:
        for key in arrays.files:
            if key != _CLIPS:
                weights.setdefault(key.rsplit("/", 1)[0], []).append(arrays[key])
        return weights, int(arrays[_CLIPS])


class Journal:
    """Tells how training goes: a progress bar, and now and then a line, on the console and in ``history.jsonl``.

    Args:
        run: the folder.
        total: clips to be heard in all.
        clips: that have been heard before.
        batch: clips of a step.
        seconds: that lie between two checks, or more.
        console: for the bar and the lines.
    """

    def __init__(
        self, run: Path, *, total: int, clips: int, batch: int, console: Console, seconds: float = 0.0
    ) -> None:
        self._file = run / HISTORY_FILE
        self._total = total
        self._batch = batch
        self._pause = seconds
        bar = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*bar, TimeRemainingColumn(elapsed_when_finished=True), console=console)
        self._task = self._progress.add_task("Training", total=total, completed=clips)
        self._clips = clips
        self._since = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def heard(self, clips: int) -> bool:
        """Hear of so many clips in all; whether it is time to save, and to check."""
        self._progress.update(self._task, completed=min(clips, self._total))
        if clips >= self._total:
            return True
        return clips % _CLIPS_PER_CHECK < self._batch and time.monotonic() - self._since >= self._pause

    def check(self, clips: int, loss: float, accuracy: float | None) -> None:
        """Write down the mean loss since the last check, and the share of the held-out windows that are right."""
        speed = (clips - self._clips) / (time.monotonic() - self._since)
        entry = {"clips": clips, "loss": round(loss, 4), "accuracy": accuracy, "clips_per_second": round(speed, 1)}
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        held_out = "" if accuracy is None else f"  held out {accuracy:.2%}"
        self._progress.console.print(f"{clips:>9} clips  loss {loss:.3f}{held_out}  {speed:.0f} clips/s")
        self._clips = clips
        self._since = time.monotonic()
