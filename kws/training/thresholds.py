"""Thresholds of a new model: as low as the speech and words of a bank allow that the model did not learn from.

Words that people say one by one are harder than those of the bank, so thresholds stay at or above a floor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec.structs import replace

from kws.decision import Options, read_options, resolve
from kws.enroll.bank import Bank, false_accepts
from kws.training.bank_examples import BankExamples
from kws.training.recipe import FIRST_KEYWORD
from kws.types import Float32Array

#: False accepts of all keywords together in an hour of speech.
BUDGET = 6.0
#: The share of other words by themselves that may be taken for a keyword.
WORDS = 0.02

_STEPS, _LOWEST, _HIGHEST = 8, 0.65, 0.98
#: The average that counts as clear lies this far between the threshold and 1.
_CLEAR = 0.5


def choose_threshold(
    bank: Bank, posteriors: Float32Array, words: Float32Array, labels: tuple[str, ...], decision: dict[str, Any]
) -> float:
    """Return the lowest average at which keywords may fire for :data:`BUDGET` and :data:`WORDS`.

    Args:
        bank: other speech.
        posteriors: float32 ``(m, labels)`` of its held-out windows of speech.
        words: float32 ``(n, labels)``, posteriors of its held-out words.
        labels: of the model.
        decision: recommended decision settings.
    """
    held_out = BankExamples.held_out(bank)
    hours = held_out.sum() * bank.hop / 16000 / 3600
    own = replace(read_options(decision).decision, hop=bank.hop / 16000)

    def accepts(threshold: float) -> int:
        settings = resolve(labels, {"": Options(decision=replace(own, threshold=threshold))})
        return false_accepts(bank, posteriors, labels, settings, held_out)

    low, high = float(np.quantile(words[:, FIRST_KEYWORD:].max(axis=1), 1 - WORDS)), _HIGHEST
    low = min(max(low, _LOWEST), _HIGHEST - 0.01)
    if accepts(low) <= BUDGET * hours:
        return round(low, 3)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if accepts(middle) <= BUDGET * hours:
            high = middle
        else:
            low = middle
    return round(high, 3)


def with_threshold(decision: dict[str, Any], keywords: tuple[str, ...], average: float) -> dict[str, Any]:
    """Return decision settings in which an average is the score 0.5, the threshold, for every keyword."""
    scale = [average, round(average + (1 - average) * _CLEAR, 3)]
    return {
        **decision,
        "decision": {**decision.get("decision", {}), "threshold": 0.5},
        "keyword": {word: {"score_scale": scale} for word in keywords},
    }
