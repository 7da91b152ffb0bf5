"""Hard negatives: what the network mistakes for keywords is drawn more often until it no longer is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kws.types import Float32Array

#: Keyword posteriors below this come from label smoothing, not from a mistake.
_HARMLESS = 0.1
_DRAWS_PER_SUM = 256


class HardExamples:
    """Scores of ``size`` examples, and draws in proportion to them.

    Attributes:
        scores: float32 ``(size,)`` in [0, 1]: a mean over the latest reports of how far each is taken for a keyword,
            so that an example that has been learned is left alone; 0 for what was never heard.
    """

    def __init__(self, size: int) -> None:
        self.scores: Float32Array = np.zeros(size, np.float32)
        self._sums = np.zeros(size)
        self._draws = 0

    def report(self, examples: npt.NDArray[np.int64] | Sequence[int], keyword: Float32Array) -> None:
        """Score examples ``(n,)`` by the sum of all keywords' posteriors ``(n,)``."""
        wrong = np.maximum(0.0, np.asarray(keyword, np.float32) - _HARMLESS)
        self.scores[examples] = 0.5 * (self.scores[examples] + wrong)

    def draw(self, rng: np.random.Generator) -> int | None:
        """Return an example, or None if nothing is hard."""
        if self._draws % _DRAWS_PER_SUM == 0:
            self._sums = np.cumsum(self.scores, dtype=np.float64)
        self._draws += 1
        total = self._sums[-1] if len(self._sums) else 0.0
        return int(np.searchsorted(self._sums, rng.random() * total, "right")) if total > 0 else None
