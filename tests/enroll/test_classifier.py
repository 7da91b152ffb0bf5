from __future__ import annotations

import numpy as np
import pytest

from kws.enroll.classifier import learn
from kws.types import Float32Array, Float64Array

RNG = np.random.default_rng(0)


def test_it_is_the_minimum_of_the_loss() -> None:
    """The gradient of the definition, by finite differences, is zero at the solution."""
    positives = RNG.normal(1, 1, (20, 4)).astype(np.float32)
    kinds = [RNG.normal(-1, 1, (60, 4)).astype(np.float32), RNG.normal(-2, 1, (30, 4)).astype(np.float32)]
    shares = [2 / 60, 1 / 30]
    weights, bias = learn(positives, kinds, shares, ridge=0.01)

    def loss(at: Float64Array) -> float:
        def cost(x: Float32Array, sign: float) -> Float64Array:
            costs: Float64Array = np.logaddexp(0, -sign * (x.astype(np.float64) @ at[:-1] + at[-1]))
            return costs

        wrong = sum(share * np.sum(cost(kind, -1)) for kind, share in zip(kinds, shares, strict=True)) / 3
        return float(np.mean(cost(positives, 1)) + wrong + 0.005 * np.sum(at[:-1] ** 2))

    solution = np.append(weights, bias)
    for place in range(5):
        nudge = np.eye(5)[place] * 1e-3
        assert (loss(solution + nudge) - loss(solution - nudge)) / 2e-3 == pytest.approx(0, abs=2e-3)


def test_classes_weigh_the_same_however_many_there_are() -> None:
    positives, negatives = RNG.normal(1, 1, (30, 3)), RNG.normal(-1, 1, (30, 3))
    few = learn(positives.astype(np.float32), [negatives.astype(np.float32)], [1.0])
    many = learn(positives.astype(np.float32), [np.tile(negatives, (50, 1)).astype(np.float32)], [1.0])
    np.testing.assert_allclose(few[0], many[0], rtol=1e-3)
    assert few[1] == pytest.approx(many[1], abs=1e-3)
