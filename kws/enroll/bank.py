"""The bank of a model: embeddings of other words and speech, without sound. A new word is compared with them.

``tools/make-bank`` makes it. Features are embeddings after a linear map that gives all words the same spread around
their means (within-class covariance normalisation): what tells words apart counts, what tells speakers apart does not.
They are stored as int8.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kws.common.files import read_file
from kws.decision import Decider, DecisionSettings
from kws.errors import ModelError, UsageError
from kws.inference.model import Model
from kws.types import Float32Array

BANK_FILE = "bank.npz"

#: Steps of int8 in one unit of a feature, the spread of a word.
_STEPS = 12.0


@dataclass(frozen=True, slots=True, eq=False)
class Bank:
    """Features of other sound, and how to make features of an embedding.

    Attributes:
        sha256: of the network that the embeddings are of.
        centre: float32 ``(embedding,)``, subtracted from embeddings.
        axes: float32 ``(embedding, features)``, the linear map.
        words: int8 ``(n, features)``: windows with single words.
        labels: text ``(n,)``: the word in each; empty for noise.
        speech: int8 ``(m, features)``: windows of running speech in order.
        unknown: uint8 ``(m,)``: posteriors of unknown words in these, in 255ths.
        levels: int8 ``(m,)``: of the newest hop of these, in decibels re full scale.
        fresh: bool ``(m,)``: True for the first window of each recording.
        hop: samples from one window of speech to the next.
    """

    sha256: str
    centre: Float32Array
    axes: Float32Array
    words: npt.NDArray[np.int8]
    labels: npt.NDArray[np.str_]
    speech: npt.NDArray[np.int8]
    unknown: npt.NDArray[np.uint8]
    levels: npt.NDArray[np.int8]
    fresh: npt.NDArray[np.bool_]
    hop: int

    def features(self, embeddings: Float32Array) -> npt.NDArray[np.int8]:
        """Return the features, int8 ``(..., features)``, of embeddings ``(..., embedding)``."""
        return quantised((embeddings - self.centre) @ self.axes)

    @property
    def hours(self) -> float:
        """Hours of running speech."""
        return len(self.speech) * self.hop / 16000 / 3600


def quantised(features: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.int8]:
    """Return features in the steps of int8."""
    steps: npt.NDArray[np.int8] = np.clip(np.rint(features * _STEPS), -127, 127).astype(np.int8)
    return steps


def restored(features: npt.NDArray[np.int8]) -> Float32Array:
    """Return the features that :func:`quantised` rounded, float32."""
    return features.astype(np.float32) / np.float32(_STEPS)


def read_bank(model: Model) -> Bank:
    """Read the bank of a model, which lies in its folder.

    Raises:
        UsageError: the model has no bank.
        ModelError: the bank belongs to another model or is damaged.
    """
    path = model.path.parent / BANK_FILE
    if not model.description.embedding:
        raise UsageError(
            f"the model {model.name} has no embedding, which enrolment needs; export it again with kws export"
        )
    try:
        with np.load(BytesIO(read_file(path)), allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        bank = Bank(
            **{field.name: found[field.name] for field in fields(Bank) if field.name not in ("sha256", "hop")},
            sha256=str(found["sha256"]),
            hop=int(found["hop"]),
        )
    except FileNotFoundError:
        raise UsageError(
            f"{path}: missing; words are enrolled with a model that has a bank of other speech (tools/make-bank)"
        ) from None
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: damaged ({error})") from None
    if bank.sha256 not in model.description.sha256.values() or len(bank.centre) != model.description.embedding:
        raise ModelError(f"{path}: belongs to another version of {model.name}; make it again (tools/make-bank)")
    return bank


def false_accepts(
    bank: Bank,
    posteriors: Float32Array,
    labels: Sequence[str],
    settings: DecisionSettings,
    part: npt.NDArray[np.bool_] | None = None,
) -> int:
    """Return how often keywords fire in the speech of a bank.

    Args:
        bank: of the model; its windows follow one another as ``settings.hop`` says.
        posteriors: float32 ``(m, labels)`` of the windows.
        labels: of the posteriors.
        settings: for the keywords among them.
        part: bool, which windows of the bank these are, whole recordings; None for all.
    """
    fresh, levels = (each if part is None else each[part] for each in (bank.fresh, bank.levels))
    starts = np.flatnonzero(fresh)
    columns = [labels.index(keyword) for keyword in settings.keywords]
    releases = [each.in_averages().release for each in settings.keywords.values()]
    decider = Decider(labels, settings, window=16000)
    fired = 0
    for first, stop in zip(starts, [*starts[1:], len(posteriors)], strict=True):
        if (posteriors[first:stop, columns].max(axis=0) < releases).all():
            continue
        for place in range(first, stop):
            fired += len(decider.step(posteriors[place], (place + 1) * bank.hop, float(levels[place])).fired)
        decider.reset()
    return fired


def write_bank(path: Path, bank: Bank) -> None:
    """Write the bank of a model."""
    np.savez_compressed(path, **{field.name: getattr(bank, field.name) for field in fields(Bank)})
