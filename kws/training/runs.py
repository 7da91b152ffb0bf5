"""The folder of a training run: its recipe, what is held out, its examples, one checkpoint and a history."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kws.common.files import replacing
from kws.corpus.word_folders import HELD_OUT_FILE
from kws.errors import UsageError
from kws.features.front_end import FrontEnd
from kws.training.batches import WindowSource
from kws.training.recipe import Recipe, read_recipe
from kws.types import Float32Array

RECIPE_FILE = "recipe.json"
EXAMPLES_FILE = "examples.npy"
CHECKPOINT_FILE = "checkpoint.npz"
HISTORY_FILE = "history.jsonl"
_EXAMPLES = 1_000

#: The weights of each layer by its name, in the order and with the axes that Keras gives them.
Weights = Mapping[str, Sequence[Float32Array]]


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A network in training.

    Attributes:
        framework: that trains it.
        clips: windows that it has learned from.
        weights: of the averaged network, for the export.
        state: everything that the framework needs to go on.
    """

    framework: str
    clips: int
    weights: Weights
    state: Sequence[npt.NDArray[Any]] = ()


class Run:
    """A folder of ``kws train``, which may not exist yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def claim(self, recipe: Recipe, framework: str) -> Recipe:
        """Return the recipe as this folder goes on with it, or as it is for a new run.

        Raises:
            UsageError: the folder holds a run of another recipe or framework.
        """
        advice = "choose another folder with --run, or remove it"
        if (other := self._framework()) not in (None, framework):
            raise UsageError(f"{self.folder} holds a run of {other}, which {framework} cannot continue: {advice}")
        path = self.folder / RECIPE_FILE
        if path.exists():
            before = read_recipe(path)
            recipe = recipe.as_fitted(before)
            if not recipe.continues(before):
                raise UsageError(f"{self.folder} holds a run of another recipe: {advice}")
        return recipe

    def write(self, recipe: Recipe, held_out: Sequence[tuple[str, Path]]) -> None:
        """Make the folder this recipe's, with the words and files of the clips that are held out."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / RECIPE_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(recipe)))
        clips = [(word, str(path.absolute())) for word, path in held_out]
        (self.folder / HELD_OUT_FILE).write_bytes(msgspec.json.encode(clips))

    def recipe(self) -> Recipe:
        """Return the recipe of the run.

        Raises:
            UsageError: there is no run, or its recipe cannot be read.
        """
        path = self.folder / RECIPE_FILE
        if not path.exists():
            raise UsageError(f"{self.folder}: no training run here ({RECIPE_FILE} is missing)")
        return read_recipe(path)

    def examples(self, front_end: FrontEnd, source: WindowSource) -> Float32Array:
        """Return images as the network meets them, for its normalisation and the integer ranges of an export."""
        path = self.folder / EXAMPLES_FILE
        if not path.exists():
            np.save(path, np.stack([front_end(source.draw().window) for _ in range(_EXAMPLES)]))
        images: Float32Array = np.load(path)
        return images

    def save(self, checkpoint: Checkpoint) -> None:
        """Replace the checkpoint; a reader always finds a whole one."""
        arrays = {"framework": np.array(checkpoint.framework), "clips": np.array(checkpoint.clips)}
        for name, values in checkpoint.weights.items():
            arrays |= {f"weights/{name}/{i}": value for i, value in enumerate(values)}
        arrays |= {f"state/{i}": value for i, value in enumerate(checkpoint.state)}
        with replacing(self.folder / CHECKPOINT_FILE) as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # NumPy's stub takes the names for its option

    def checkpoint(self) -> Checkpoint | None:
        """Return the checkpoint, or None if there is none yet."""
        path = self.folder / CHECKPOINT_FILE
        if not path.exists():
            return None
        weights: dict[str, list[Float32Array]] = {}
        with np.load(path) as arrays:
            for key in arrays.files:
                if key.startswith("weights/"):
                    weights.setdefault(key.removeprefix("weights/").rsplit("/", 1)[0], []).append(arrays[key])
            state = [arrays[key] for key in arrays.files if key.startswith("state/")]
            return Checkpoint(str(arrays["framework"]), int(arrays["clips"]), weights, state)

    def log(self, entry: Mapping[str, object]) -> None:
        """Add a line to the history."""
        with (self.folder / HISTORY_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def _framework(self) -> str | None:
        path = self.folder / CHECKPOINT_FILE
        if not path.exists():
            return None
        with np.load(path) as arrays:
            return str(arrays["framework"])
