"""tools/make-bank: the features of a bank tell words apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tests.support.tools import load_program


def test_axes_keep_what_tells_words_apart() -> None:
    """Two words differ along the first direction, speakers along the second, and nothing else is much."""
    rng = np.random.default_rng(0)
    labels = np.repeat(["a", "b"], 200)
    words: npt.NDArray[np.floating[Any]] = rng.normal(0, 0.1, (400, 5))
    words[:, 0] += np.where(labels == "a", 2.0, -2.0)
    words[:, 1] += rng.normal(0, 5.0, 400)
    words, other = words.astype(np.float32), rng.normal(0, 1, (400, 5)).astype(np.float32)
    centre, axes = load_program("tools/make-bank").spread_axes(words, labels, other, 1)
    assert axes.shape == (5, 1)
    features = ((words - centre) @ axes)[:, 0]
    apart = abs(features[labels == "a"].mean() - features[labels == "b"].mean())
    assert apart > 3 * max(features[labels == label].std() for label in ("a", "b"))
