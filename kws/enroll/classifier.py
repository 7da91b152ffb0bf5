"""The classifier of a word: logistic regression on features whose spread within words is one in every direction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kws.types import Float32Array, Float64Array

#: Strength of the prior that holds weights near zero: few recordings show only the clearest features.
RIDGE = 0.001

_STEPS, _SMALLEST_STEP, _ENOUGH = 12, 1e-3, 1e-5


def learn(
    positives: Float32Array, negatives: Sequence[Float32Array], shares: Sequence[float], *, ridge: float = RIDGE
) -> tuple[Float64Array, float]:
    """Return weights ``(features,)`` and a bias that make features the logit of the word, by Newton's method.

    Positives and negatives weigh the same, however many examples there are.

    Args:
        positives: float32 ``(n, features)``.
        negatives: of several kinds, each float32 ``(n, features)``.
        shares: the weight of one example of each kind.
        ridge: see :data:`RIDGE`.
    """
    parts = [positives, *negatives]
    x = np.concatenate(parts)
    x = np.concatenate((x, np.ones((len(x), 1), np.float32)), axis=1)
    target = np.repeat([1.0, 0.0], [len(positives), len(x) - len(positives)])
    of_one = np.array([1 / len(positives), *shares])
    weight = np.repeat(of_one, [len(part) for part in parts])
    weight[len(positives) :] /= weight[len(positives) :].sum()
    prior = np.append(np.full(x.shape[1] - 1, ridge), 0.0)
    solution = np.zeros(x.shape[1])

    def loss(at: Float64Array) -> float:
        logits = x @ at.astype(np.float32)
        return float(weight @ (np.logaddexp(0, logits) - target * logits) + 0.5 * prior @ at**2)

    current = loss(solution)
    for _ in range(_STEPS):
        scores = 1 / (1 + np.exp(-np.clip(x @ solution.astype(np.float32), -30, 30)))
        gradient = x.T @ (weight * (scores - target)).astype(np.float32) + prior * solution
        curvature = (weight * scores * (1 - scores)).astype(np.float32)
        hessian = (x * curvature[:, None]).T @ x + np.diag(prior + 1e-6)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while (following := loss(solution - size * step)) > current and size > _SMALLEST_STEP:
            size /= 2
        solution -= size * step
        if current - following < _ENOUGH:
            break
        current = following
    return solution[:-1], float(solution[-1])
