"""The recordings that windows are mixed from, and the mixed windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kws.audio.word_extent import PAUSE_IN_PHRASE, PAUSE_IN_WORD
from kws.corpus.clips import Recordings
from kws.types import Float32Array

#: The origin of a window whose answer says nothing about later windows.
NO_ORIGIN = -1


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """The recordings that windows are mixed from.

    Attributes:
        words: clips of single words.
        labels: int ``(len(words),)``; other words have :data:`kws.training.recipe.UNKNOWN_LABEL`, or labels beyond the
            keywords' if the network tells them apart in training.
        speech: running speech without keywords.
        sure: bool ``(len(speech),)``; True if a transcript shows that it has no keyword. Without one, what the network
            takes for a keyword may be one, so it is not repeated as a hard negative.
        noise: recordings of noise.
        phrases: labels of keywords of several words, between which there may be pauses.
    """

    words: Recordings
    labels: npt.NDArray[np.int64]
    speech: Recordings
    sure: npt.NDArray[np.bool_]
    noise: Recordings
    phrases: frozenset[int] = frozenset()

    def longest_pause(self, label: int) -> float:
        """Return the longest pause within an utterance of a label, in seconds."""
        return PAUSE_IN_PHRASE if label in self.phrases else PAUSE_IN_WORD


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A window to learn from.

    Attributes:
        window: float32 ``(window,)`` in [-1, 1].
        label: position in the output of the network.
        origin: the recording that it was drawn from, for :meth:`Mixer.report`, or :data:`NO_ORIGIN`.
        taught: True if teachers are asked about it. They are known to be wrong about other words, talk under a word
            and keywords in sentences; there the label alone is the target.
    """

    window: Float32Array
    label: int
    origin: int = NO_ORIGIN
    taught: bool = True
