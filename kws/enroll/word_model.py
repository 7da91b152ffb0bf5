"""A model that hears enrolled words beside its own keywords."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from kws.common.digest import sha256_of
from kws.enroll.word_file import WordFile, check_fits
from kws.errors import UsageError
from kws.inference.model import Description, Model
from kws.types import Float32Array

_LARGEST = 30.0  # logit


def with_words(description: Description, words: Sequence[tuple[Path, WordFile]]) -> Description:
    """Return the description of a model that hears these words as well: further labels with their own settings.

    Raises:
        UsageError: a word belongs to another model, or two have the same name.
    """
    labels = list(description.labels)
    keyword = dict(description.decision.get("keyword", {}))
    for path, word in words:
        check_fits(path, word, description)
        if word.word in labels:
            what = "a keyword of the model" if word.word in description.keywords else "the word of another file"
            raise UsageError(f"{path}: {word.word!r} is {what} already; enroll it under another name")
        labels.append(word.word)
        keyword[word.word] = word.settings
    return msgspec.structs.replace(
        description,
        labels=tuple(labels),
        enrolled=tuple(word.word for _, word in words),
        decision={**description.decision, "keyword": keyword},
    )


class WordModel(Model):
    """A model with enrolled words. The posteriors of its own labels are the same to the bit as without them.

    Args:
        model: loaded, with an embedding.
        words: with the file that each comes from.

    Raises:
        UsageError: see :func:`with_words`.
    """

    def __init__(self, model: Model, words: Sequence[tuple[Path, WordFile]]) -> None:
        self.path, self.network = model.path, model.network
        self.description = with_words(model.description, words)
        self._weights = np.array([word.weight_vector for _, word in words], np.float32)
        self._biases = np.array([word.bias for _, word in words], np.float32)

    @property
    def key(self) -> str:
        return super().key + sha256_of(self._weights.tobytes() + self._biases.tobytes())

    def posteriors(self, spectrogram: Float32Array) -> Float32Array:
        """Return the posteriors ``(labels,)`` of one spectrogram, float32 ``(frames, bins)``.

        Those of the model's own labels sum to 1; the score of each enrolled word is a probability by itself.
        """
        posteriors, embedding = self.embed(spectrogram)
        found = np.empty(len(self.labels), np.float32)
        found[: len(posteriors)] = posteriors
        # Plain floats: for a few words NumPy's functions would take longer than the product.
        logits = (self._weights @ embedding + self._biases).tolist()
        found[len(posteriors) :] = [1 / (1 + math.exp(-max(-_LARGEST, min(_LARGEST, logit)))) for logit in logits]
        return found
