"""Scores that a person can use: averaged posteriors on a scale that is measured for each keyword.

The averages of a clear word depend on the keyword: a short word fills less of the smoothing time than a long one. So a
model ships two averages for each keyword. They become the scores 0.5, which is the recommended threshold, and 0.9,
which nine of ten clear words in a quiet room reach. Between these points, 0 and 1 the score is linear in the average.
``tools/calibrate-scores`` measures the two averages.

Decisions are made on averages. Only what a person writes and reads is on the scale: thresholds, and the scores of
detections and near misses.
"""

from __future__ import annotations

import msgspec
import numpy as np

from kws.types import Float64Array

#: The scores of the two averages.
HALF_SCORE, CLEAR_SCORE = 0.5, 0.9
_SCORES = (0.0, HALF_SCORE, CLEAR_SCORE, 1.0)


class ScoreScale(msgspec.Struct, frozen=True):
    """The averages of one keyword that have the scores 0.5 and 0.9. By default a score is an average.

    Attributes:
        half: the average with the score 0.5.
        clear: the average with the score 0.9.

    Raises:
        ValueError: not ``0 < half < clear < 1``.
    """

    half: float = HALF_SCORE
    clear: float = CLEAR_SCORE

    def __post_init__(self) -> None:
        if not 0 < self.half < self.clear < 1:
            raise ValueError(f"{self.half:g} and {self.clear:g} do not rise between 0 and 1")

    def score(self, average: float) -> float:
        """Return the score of an average in [0, 1]; rises with it."""
        return average if self == PLAIN else float(np.interp(average, self._averages, _SCORES))

    def scores(self, averages: Float64Array) -> Float64Array:
        """Return the scores of averages, float64 of the same shape."""
        return averages if self == PLAIN else np.interp(averages, self._averages, _SCORES)

    def average(self, score: float) -> float:
        """Return the average that has a score in [0, 1]."""
        return score if self == PLAIN else float(np.interp(score, _SCORES, self._averages))

    @property
    def _averages(self) -> tuple[float, ...]:
        return (0.0, self.half, self.clear, 1.0)


#: A score is an average.
PLAIN = ScoreScale()
