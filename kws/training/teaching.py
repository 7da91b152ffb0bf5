"""What a window is to be called: by its label, and by what trained networks say of it (distillation, arXiv:1503.02531).

A label says which word was meant. Networks that have learnt say too how near it sounds to others, and doubt labels that
are wrong; several together are right more often than each.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import softmax

from kws.errors import UsageError
from kws.inference.model import Model, find_model, float32_network
from kws.training.mixing import UNKNOWN_LABEL, Example
from kws.training.recipe import Recipe
from kws.training.spectra import TrainingFrontEnd
from kws.types import Float32Array

_LEAST = np.float32(1e-7)  # posteriors below this are as good as none, and have logarithms


class Targets:
    """The posteriors to learn for windows.

    Args:
        labels: how many there are.
        teachers: trained networks of these labels and of windows as long.
        others: how many other words are told apart beside these; what a teacher calls unknown may be each of them.
        share: of the teachers' posteriors in a target; the rest is the label.
        priors: the share of each label in training, ``(labels,)``, which the teachers' posteriors do without.
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
        """The target ``(labels + others,)``, which sums to 1."""
        target: Float32Array = self._labels[example.label]
        if not self._teachers or not example.taught:
            return target
        said = [np.log(np.maximum(network(images(example.window)), _LEAST)) for images, network in self._teachers]
        taught = np.pad(softmax(np.mean(said, axis=0) + self._log_priors), (0, self._others))
        if example.label >= len(taught) - self._others:
            taught[[UNKNOWN_LABEL, example.label]] = taught[[example.label, UNKNOWN_LABEL]]
        mixed: Float32Array = target + self._share * (taught - target)
        return mixed


def read_targets(recipe: Recipe, labels: tuple[str, ...]) -> Targets:
    """The targets that a recipe asks for.

    Raises:
        UsageError: a teacher is missing, or is one of other labels or windows.
        ModelError: its files are wrong.
    """
    teachers = []
    for name in recipe.teaching.teachers:
        teacher = Model(float32_network(find_model(name), "a teacher has"))
        if teacher.labels != labels:
            raise UsageError(f"teachers: {name} hears other labels than this training's {', '.join(labels)}")
        if teacher.front_end.window != recipe.resolved_front_end.window:
            raise UsageError(f"teachers: {name} hears windows of another length than this training's")
        if not teacher.description.training.get("equal_priors"):
            raise UsageError(f"teachers: {name} was not exported with equal_priors = true")
        teachers.append(teacher)
    return Targets(
        len(labels),
        teachers,
        share=recipe.teaching.share,
        priors=recipe.mix.priors(len(recipe.keywords)),
        others=len(recipe.other_words),
    )
