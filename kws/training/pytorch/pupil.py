"""Networks that learn from the same windows, and from each other.

What a network is to say of a window is its target, and for a share what the averaged networks of all say together of
the window as it is, while each hears it disguised (mean teachers, arXiv:1703.01780; mutual learning,
arXiv:1706.00384).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from kws.training.mixing import UNKNOWN_LABEL
from kws.training.pytorch.network import EfficientNet, decayed_parameters
from kws.training.recipe import Network, Optimiser
from kws.training.schedule import averaging_momentum, learning_rate
from kws.training.spectra import column_moments
from kws.types import Float32Array

_LONGEST_GRADIENT = 5.0
_EPSILON = 1e-7  # Keras' of AdamW
_UNTAUGHT = 0.1  # share of a run in which the networks know too little to teach
_WARM_UP = 3  # steps before a graph is recorded, in which libraries choose their ways


class Pupil:
    """A network in training, its moving average and its optimiser.

    Args:
        network: its shape.
        settings: of the optimiser.
        labels: how many.
        examples: images ``(n, rows, columns, channels)``, which the normalisation is measured over.
        device: where it learns.
    """

    def __init__(
        self, network: Network, settings: Optimiser, *, labels: int, examples: Float32Array, device: torch.device
    ) -> None:
        self._smoothing = settings.label_smoothing
        self.model = EfficientNet(network, examples.shape[1:], labels)
        for moment, value in zip((self.model.mean, self.model.variance), column_moments(examples), strict=True):
            moment.copy_(torch.from_numpy(value))
        self.model.to(device=device, memory_format=torch.channels_last)
        self.averaged = copy.deepcopy(self.model).eval()
        self.rate = torch.tensor(settings.rate, device=device)
        kernels, others = decayed_parameters(self.model)
        self._parameters = [*kernels, *others]
        cuda = device.type == "cuda"
        self._optimiser = torch.optim.AdamW(
            [{"params": kernels, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=self.rate,
            eps=_EPSILON,
            fused=cuda,
            capturable=cuda,
        )
        self._now, self._mean = (
            [t for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()]
            for model in (self.model, self.averaged)
        )

    def learn(self, images: torch.Tensor, targets: torch.Tensor, momentum: torch.Tensor) -> tuple[Any, Any]:
        """One step of AdamW and of the moving average: the loss, and the logits ``(n, labels)``."""
        self._optimiser.zero_grad(set_to_none=True)
        with half_precision(images.device):
            logits = self.model(images)
        logits = logits.float()
        smoothed = targets * (1.0 - self._smoothing) + self._smoothing / targets.shape[1]
        loss = -(smoothed * functional.log_softmax(logits, 1)).sum(1).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), _LONGEST_GRADIENT)
        self._optimiser.step()
        with torch.no_grad():
            for now, mean in zip(self._now, self._mean, strict=True):
                mean.lerp_(now, 1.0 - momentum)
        return loss.detach(), logits.detach()

    def posteriors(self, images: torch.Tensor) -> torch.Tensor:
        """What the averaged network says of images ``(n, rows, columns, channels)``: ``(n, labels)``."""
        with torch.no_grad(), half_precision(images.device):
            parts = [self.averaged(part).float() for part in images.split(512)]
        return torch.softmax(torch.cat(parts), 1)

    def state(self) -> dict[str, Any]:
        """A copy of all that :meth:`restore` needs."""
        return {
            "model": {name: tensor.clone() for name, tensor in self.model.state_dict().items()},
            "averaged": {name: tensor.clone() for name, tensor in self.averaged.state_dict().items()},
            "optimiser": [
                {name: tensor.clone() for name, tensor in self._optimiser.state[parameter].items()}
                for parameter in self._parameters
                if parameter in self._optimiser.state
            ],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a state; tensors stay where they are, for a graph of operations knows them by their place."""
        self.model.load_state_dict(state["model"])
        self.averaged.load_state_dict(state["averaged"])
        for i, parameter in enumerate(self._parameters):
            before = state["optimiser"][i] if state["optimiser"] else {}
            if parameter not in self._optimiser.state:
                self._optimiser.state[parameter] = {name: tensor.clone() for name, tensor in before.items()}
                continue
            for name, tensor in self._optimiser.state[parameter].items():
                tensor.copy_(before[name]) if before else tensor.zero_()


def half_precision(device: torch.device) -> Any:
    """bfloat16 where a graphics card multiplies; without the cache of weights, which a graph cannot have."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda", cache_enabled=False)


class Cohort:
    """Pupils that learn together, and the memory of a batch.

    Args:
        pupils: of images of one shape; where they are several they teach each other.
        settings: of the optimiser.
        share: of what they say together in their targets.
        labels: how many.
        shape: of an image.
        device: where they learn.

    Attributes:
        plain, disguised: images ``(batch, *shape)`` to learn from.
        targets: float32 ``(batch, labels)``.
        losses: of the last step, ``(pupils,)``.
        keyword: in the last step, the posteriors of all keywords together, the mean of the pupils: ``(batch,)``.
    """

    def __init__(
        self,
        pupils: Sequence[Pupil],
        settings: Optimiser,
        *,
        share: float,
        labels: int,
        shape: tuple[int, int, int],
        device: torch.device,
    ) -> None:
        self._pupils = pupils
        self._settings = settings
        self._share = share if len(pupils) > 1 else 0.0
        self.plain = torch.zeros((settings.batch, *shape), device=device)
        self.disguised = torch.zeros_like(self.plain)
        self.targets = torch.zeros((settings.batch, labels), device=device)
        self._taught = torch.zeros((), device=device)
        self._momentum = torch.zeros((), device=device)
        self.losses = torch.zeros(len(pupils), device=device)
        self.keyword = torch.zeros(settings.batch, device=device)
        self._graph: Any = None

    def record(self, examples: Float32Array) -> None:
        """Make the whole step one graph of operations, which a graphics card starts at once.

        What the steps that this takes have taught, from examples ``(n, *shape)``, is forgotten again.
        """
        states = [pupil.state() for pupil in self._pupils]
        self.plain.copy_(torch.from_numpy(np.resize(examples, self.plain.shape)))
        self.disguised.copy_(self.plain)
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(_WARM_UP):
                self._step()
        torch.cuda.current_stream().wait_stream(beside)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._step()
        for pupil, state in zip(self._pupils, states, strict=True):
            pupil.restore(state)

    def step(self, clips: int) -> None:
        """Learn from what is in ``disguised``, ``plain`` and ``targets``, as is due after so many clips."""
        for pupil in self._pupils:
            pupil.rate.fill_(learning_rate(self._settings, clips))
        self._taught.fill_(self._share if clips >= _UNTAUGHT * self._settings.clips else 0.0)
        self._momentum.fill_(averaging_momentum(self._settings, clips))
        if self._graph is None:
            self._step()
        else:
            self._graph.replay()

    def _step(self) -> None:
        targets = self.targets
        if self._share:
            with torch.no_grad(), half_precision(targets.device):
                said = [functional.log_softmax(pupil.averaged(self.plain).float(), 1) for pupil in self._pupils]
            together = torch.softmax(torch.stack(said).mean(0), 1)
            targets = targets + self._taught * (together - targets)
        losses, keyword = [], []
        for pupil in self._pupils:
            loss, logits = pupil.learn(self.disguised, targets, self._momentum)
            losses.append(loss)
            keyword.append(torch.softmax(logits, 1)[:, UNKNOWN_LABEL + 1 :].sum(1))
        self.losses.copy_(torch.stack(losses))
        self.keyword.copy_(torch.stack(keyword).mean(0))
