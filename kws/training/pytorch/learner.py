"""Learning with PyTorch: a :class:`kws.training.train.Learner`, on a graphics card if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from kws.common.stderr import silenced
from kws.training.pytorch.ensemble import Ensemble, Member
from kws.training.pytorch.network import weights_of
from kws.training.recipe import Recipe
from kws.training.runs import Weights
from kws.training.start import Start
from kws.training.train import STEPS_OUT, Answer
from kws.training.workers import Part
from kws.types import Float32Array


class _Staging:
    """Memory from which a batch goes to the graphics card, and to which the answer comes, while others compute."""

    def __init__(self, ensemble: Ensemble) -> None:
        pinned = ensemble.plain.device.type == "cuda"
        self.batch, self.answer = (
            [torch.zeros(tensor.shape, pin_memory=pinned) for tensor in tensors]
            for tensors in (
                (ensemble.plain, ensemble.augmented, ensemble.targets),
                (ensemble.losses, ensemble.keyword),
            )
        )
        self.done: Any = torch.cuda.Event() if pinned else None


class PyTorchLearner:
    """A student and its ensemble."""

    framework: ClassVar[str] = "PyTorch"

    def __init__(self, recipe: Recipe, examples: Float32Array, start: Start | None = None) -> None:
        assert start is None
        device = self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.device = torch.cuda.get_device_name() if device.type == "cuda" else "the processor"
        torch.manual_seed(recipe.optimiser.seed)
        # The first optimiser of PyTorch loads TensorFlow if it is installed, which prints a greeting.
        with silenced():
            members = [
                Member(options, recipe.optimiser, outputs=recipe.outputs, examples=examples, device=device)
                for options in (recipe.network, *recipe.teaching.ensemble)
            ]
        self._student = members[0]
        self._ensemble = Ensemble(
            members,
            recipe.optimiser,
            share=recipe.teaching.share,
            labels=len(recipe.labels),
            outputs=recipe.outputs,
            shape=examples.shape[1:],
            device=device,
        )
        if device.type == "cuda":
            self._ensemble.record(examples)
        self._stagings = [_Staging(self._ensemble) for _ in range(STEPS_OUT)]
        self._steps = 0

    def step(self, parts: Sequence[Part], clips: int) -> Answer:
        ensemble, staging = self._ensemble, self._stagings[self._steps % STEPS_OUT]
        self._steps += 1
        first = 0
        for part in parts:
            last = first + len(part.targets)
            for tensor, array in zip(staging.batch, (part.plain, part.augmented, part.targets), strict=True):
                tensor[first:last] = torch.from_numpy(array)
            first = last
        for there, here in zip((ensemble.plain, ensemble.augmented, ensemble.targets), staging.batch, strict=True):
            there.copy_(here, non_blocking=True)
        ensemble.step(clips)
        for here, there in zip(staging.answer, (ensemble.losses, ensemble.keyword), strict=True):
            here.copy_(there, non_blocking=True)
        if staging.done is not None:
            staging.done.record()

        def answer() -> tuple[float, Float32Array]:
            if staging.done is not None:
                staging.done.synchronize()
            losses, keyword = staging.answer
            return float(losses[0]), keyword.numpy().copy()

        return answer

    def posteriors(self, images: Float32Array) -> Float32Array:
        # In parts, because all held-out images may not fit beside the networks.
        parts = [images[i : i + 4096] for i in range(0, len(images), 4096)]
        said = [self._student.posteriors(torch.from_numpy(part).to(self._device)).cpu().numpy() for part in parts]
        return np.concatenate(said)

    def weights(self) -> Weights:
        return weights_of(self._student.averaged)

    def state(self) -> list[npt.NDArray[Any]]:
        return [tensor.detach().cpu().numpy() for tensor in self._ensemble.tensors()]

    def restore(self, state: Sequence[npt.NDArray[Any]]) -> None:
        self._ensemble.restore([torch.from_numpy(value) for value in state])
