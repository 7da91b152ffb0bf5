"""Hard negatives: what is drawn, and how often."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from kws.training.mining import HardExamples


def test_nothing_is_hard_before_it_was_heard() -> None:
    assert HardExamples(5).draw(np.random.default_rng(0)) is None
    assert HardExamples(0).draw(np.random.default_rng(0)) is None


def test_draws_are_in_proportion_to_how_wrong_the_network_was() -> None:
    hard = HardExamples(4)
    hard.report([1, 3], np.array([0.3, 0.9], np.float32))
    assert hard.scores == pytest.approx([0, 0.1, 0, 0.4])
    rng = np.random.default_rng(0)
    drawn = Counter(hard.draw(rng) for _ in range(5000))
    assert set(drawn) == {1, 3}
    assert drawn[3] / 5000 == pytest.approx(0.8, abs=0.03)


def test_what_has_been_learnt_is_left_alone() -> None:
    hard = HardExamples(2)
    hard.report([0], np.array([1.0], np.float32))
    for _ in range(3):
        hard.report([0], np.array([0.1], np.float32))
    assert hard.scores[0] == pytest.approx(0.45 / 8)
    hard.report([1], np.array([0.05], np.float32))
    assert hard.scores[1] == 0.0
