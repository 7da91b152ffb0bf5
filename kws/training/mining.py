"""Hard negatives: what the network takes for keywords it hears again, in other noise, until it no longer does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kws.types import Float32Array

#: Keyword posteriors below this are what label smoothing leaves; nothing is wrong with them.
_HARMLESS = 0.1

#: Draws between two sums over all scores.
_DRAWS_PER_SUM = 256


class HardExamples:
    """How far each of ``size`` examples is taken for a keyword, and draws in proportion to that.

    A score is the mean of the last few answers, so that an example which has been learnt is left alone.

    Attributes:
        scores: float32 ``(size,)`` in [0, 1]; 0 for what has never been heard.
    """

    def __init__(self, size: int) -> None:
        self.scores: Float32Array = np.zeros(size, np.float32)
        self._sums = np.zeros(size)
        self._draws = 0

    def report(self, examples: npt.NDArray[np.int64] | Sequence[int], keyword: Float32Array) -> None:
        """What the network said of examples ``(n,)``: the posterior of all keywords together, ``(n,)``."""
        wrong = np.maximum(0.0, np.asarray(keyword, np.float32) - _HARMLESS)
        self.scores[examples] = 0.5 * (self.scores[examples] + wrong)

    def draw(self, rng: np.random.Generator) -> int | None:
        """An example, in proportion to the scores; None where nothing is hard."""
        if self._draws % _DRAWS_PER_SUM == 0:
            self._sums = np.cumsum(self.scores, dtype=np.float64)
        self._draws += 1
        total = self._sums[-1] if len(self._sums) else 0.0
        return int(np.searchsorted(self._sums, rng.random() * total, "right")) if total > 0 else None
