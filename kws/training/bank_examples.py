"""Other speech and words without sound: the embeddings of a model's bank, as examples of what is not a keyword.

A bank keeps the features in which speech differs most, not whole embeddings. The rest of each example is that of a
window that was mixed from the user's recordings, so that it says nothing about which of the two an example is.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt

from kws.corpus.word_folders import fold
from kws.enroll.bank import Bank, restored
from kws.training.mining import HardExamples
from kws.training.recipe import BANK_PRIORS, SILENCE_LABEL, UNKNOWN_LABEL
from kws.types import Float32Array

_HELD_OUT = 3  # one recording of speech, and one word, in so many
_NOISE, _SPEECH, _HARD = BANK_PRIORS[0], 0.64, 0.5  # shares of what is drawn; the rest are words


class BankExamples:
    """Draws embeddings of a bank; the same seed draws the same ones.

    Args:
        bank: of the model that training began with.
        keywords: of the new model; the bank's recordings of these are not used.
        embeddings: float32 ``(n, embedding)``, of windows mixed from the user's recordings.
        seed: of all draws.
    """

    def __init__(self, bank: Bank, keywords: Collection[str], embeddings: Float32Array, seed: int) -> None:
        self._bank, self._rng = bank, np.random.default_rng(seed)
        self._back = np.linalg.pinv(bank.axes)
        centred = embeddings - bank.centre
        self._rests = (centred - centred @ bank.axes @ self._back).astype(np.float32)
        learned = ~bank.fresh & ~self.held_out(bank)
        keyword = np.isin([fold(label) for label in bank.labels.tolist()], [fold(word) for word in keywords])
        spoken = (bank.labels != "") & ~keyword
        kept = np.cumsum(spoken) % _HELD_OUT == 0
        self._held_out_words = bank.words[spoken & kept]
        parts = bank.words[bank.labels == ""], bank.speech[learned], bank.words[spoken & ~kept]
        self._features = np.concatenate(parts)
        noise, speech, words = map(len, parts)
        shares = (_NOISE / noise, _SPEECH / speech, (1 - _NOISE - _SPEECH) / words)
        self._bounds = np.cumsum(np.repeat(shares, (noise, speech, words)))
        self._noises = noise
        self._hard = HardExamples(len(self._features))

    @staticmethod
    def held_out(bank: Bank) -> npt.NDArray[np.bool_]:
        """Return which windows of a bank's speech are never learned from, bool ``(m,)``: those of whole recordings."""
        held_out: npt.NDArray[np.bool_] = np.cumsum(bank.fresh) % _HELD_OUT == 0
        return held_out

    def draw(self, count: int) -> tuple[Float32Array, npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return embeddings ``(count, embedding)``, their labels, and their places for :meth:`report`."""
        places = np.searchsorted(self._bounds, self._rng.random(count) * self._bounds[-1], "right")
        for i in range(int(count * _HARD)):
            hard = self._hard.draw(self._rng)
            places[i] = places[i] if hard is None else hard
        labels = np.where(places < self._noises, SILENCE_LABEL, UNKNOWN_LABEL)
        return self._embeddings(self._features[places]), labels, places

    def report(self, places: npt.NDArray[np.int64], keyword: Float32Array) -> None:
        """Say how far examples were taken for a keyword: what is wrong is drawn more often."""
        self._hard.report(places, keyword)

    def speech(self) -> Float32Array:
        """Return the embeddings of the speech that is held out, in order."""
        return self._embeddings(self._bank.speech[self.held_out(self._bank)])

    def words(self) -> Float32Array:
        """Return the embeddings of the words that are held out."""
        return self._embeddings(self._held_out_words)

    def _embeddings(self, features: npt.NDArray[np.int8]) -> Float32Array:
        rests = self._rests[self._rng.integers(len(self._rests), size=len(features))]
        embeddings: Float32Array = (self._bank.centre + restored(features) @ self._back + rests).astype(np.float32)
        return embeddings
