"""Targets: the label of a window, mixed with what trained networks say of it (distillation, arXiv:1503.02531).

A label says which word was meant. Trained networks also say how near it sounds to others, and doubt wrong labels;
several together are right more often than each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax

from kws.errors import UsageError
from kws.inference.model import Model, find_model, float32_network
from kws.training.batches import TrainingFrontEnd
from kws.training.material import Example
from kws.training.recipe import UNKNOWN_LABEL, Recipe
from kws.types import Float32Array

_LEAST = np.float32(1e-7)  # smaller posteriors count as this, so that all have logarithms


class Targets:
    """The posteriors to learn for windows.

    Args:
        labels: number of labels.
        teachers: trained networks of these labels, for windows of the same length.
        others: number of other words with an output of their own; a teacher calls all of them unknown.
        share: of the teachers' posteriors in a target; the rest is the label.
        priors: the share of each label in training ``(labels,)``, which the teachers' posteriors lack.
    """

    def __init__(
        self,
        labels: int,
        teachers: Sequence[Model] = (),
        *,
        share: float = 0.0,
        priors: Sequence[float] = (),
        others: int = 0,
    ) -> None:
        self._labels = np.eye(labels + others, dtype=np.float32)
        self._others = others
        self._teachers = [(TrainingFrontEnd.like(teacher.front_end), teacher.network) for teacher in teachers]
        self._share = np.float32(share)
        self._log_priors = np.log(np.array(priors, np.float32))

    def __call__(self, example: Example) -> Float32Array:
        """Return the target ``(labels + others,)``, which sums to 1."""
        target: Float32Array = self._labels[example.label]
        if not self._teachers or not example.taught:
            return target
        answers = [np.log(np.maximum(network(images(example.window)), _LEAST)) for images, network in self._teachers]
        taught = np.pad(softmax(np.mean(answers, axis=0) + self._log_priors), (0, self._others))
        if example.label >= len(taught) - self._others:
            taught[[UNKNOWN_LABEL, example.label]] = taught[[example.label, UNKNOWN_LABEL]]
        mixed: Float32Array = target + self._share * (taught - target)
        return mixed


def read_targets(recipe: Recipe) -> Targets:
    """Return the targets of a recipe.

    Raises:
        UsageError: a teacher is missing, or has other labels or windows.
        ModelError: its files are wrong.
    """
    teachers = []
    for name in recipe.teaching.teachers:
        teacher = Model(float32_network(find_model(name), "a teacher has"))
        if teacher.labels != recipe.labels:
            raise UsageError(f"teachers: {name} has other labels than this training's {', '.join(recipe.labels)}")
        if teacher.front_end.window != recipe.resolved_front_end.window:
            raise UsageError(f"teachers: {name} takes windows of another length than this training's")
        if not teacher.description.training.get("equal_priors"):
            raise UsageError(f"teachers: {name} was not exported with equal_priors = true")
        teachers.append(teacher)
    return Targets(
        len(recipe.labels),
        teachers,
        share=recipe.teaching.share,
        priors=recipe.priors,
        others=len(recipe.other_words),
    )
