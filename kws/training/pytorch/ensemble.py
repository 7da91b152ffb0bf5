"""Networks that learn from the same windows, and from each other.

Each network sees the augmented window. Its target is the label, and for a share what the moving averages of all
networks say together of the plain window (mean teachers, arXiv:1703.01780; mutual learning, arXiv:1706.00384).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from kws.training.pytorch.network import EfficientNet
from kws.training.recipe import FIRST_KEYWORD, NetworkOptions, Optimiser
from kws.types import Float32Array

_LONGEST_GRADIENT = 5.0
_EPSILON = 1e-7  # Keras' value for AdamW
_UNTAUGHT = 0.1  # share of a run in which the networks know too little to teach
_WARM_UP = 3  # steps before a graph is recorded, in which the libraries choose their algorithms


class Member:
    """A network in training, its moving average and its optimiser.

    Args:
        options: of the network.
        settings: of the optimiser.
        outputs: of the network.
        examples: images ``(n, *shape)``, over which the normalisation is measured.
        device: that it learns on.
    """

    def __init__(
        self,
        options: NetworkOptions,
        settings: Optimiser,
        *,
        outputs: int,
        examples: Float32Array,
        device: torch.device,
    ) -> None:
        self._smoothing = settings.label_smoothing
        self.model = EfficientNet(options, examples.shape[1:], outputs)
        self.model.mean.copy_(torch.from_numpy(examples.mean(axis=(0, 1, 3))))
        self.model.variance.copy_(torch.from_numpy(examples.var(axis=(0, 1, 3))))
        self.model.to(device=device, memory_format=torch.channels_last)
        self.averaged = copy.deepcopy(self.model).eval()
        self.rate = torch.tensor(settings.rate, device=device)
        # Decay is for kernels, not for biases and batch normalisation.
        kernels = [p for p in self.model.parameters() if p.ndim > 1]
        others = [p for p in self.model.parameters() if p.ndim == 1]
        cuda = device.type == "cuda"
        self._optimiser = torch.optim.AdamW(
            [{"params": kernels, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}],
            lr=self.rate,
            eps=_EPSILON,
            fused=cuda,
            capturable=cuda,
        )
        # The state that AdamW makes in its first step, so that it can be saved and restored at any time.
        for p in (*kernels, *others):
            self._optimiser.state[p] = {
                "step": torch.zeros((), device=device),
                "exp_avg": torch.zeros_like(p, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(p, memory_format=torch.preserve_format),
            }
        self._now, self._mean = (
            [t for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()]
            for model in (self.model, self.averaged)
        )

    def learn(self, images: torch.Tensor, targets: torch.Tensor, momentum: torch.Tensor) -> tuple[Any, Any]:
        """Take one step of AdamW and of the moving average; return the loss and the logits ``(n, outputs)``."""
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
        """Return the averaged network's posteriors ``(n, outputs)`` for images ``(n, *shape)``."""
        with torch.no_grad(), half_precision(images.device):
            parts = [self.averaged(part).float() for part in images.split(512)]
        return torch.softmax(torch.cat(parts), 1)

    def tensors(self) -> list[torch.Tensor]:
        """Return everything that decides what is learned, in a fixed order.

        Restore by copying into these: a recorded graph knows them by their place in memory.
        """
        moments = [t for p in self.model.parameters() for t in self._optimiser.state[p].values()]
        return [*self._now, *self._mean, *moments]


def half_precision(device: torch.device) -> Any:
    """Compute in bfloat16 on a graphics card; without the cache of weights, which a recorded graph cannot have."""
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda", cache_enabled=False)


class Ensemble:
    """Networks that learn together, and the memory of a batch.

    Args:
        members: the student first; if there are several, they teach each other.
        settings: of the optimiser.
        share: of what all say together in the targets.
        labels: number of labels; further outputs are of other words.
        outputs: of each network.
        shape: of an image.
        device: that they learn on.

    Attributes:
        plain, augmented: images ``(batch, *shape)`` to learn from.
        targets: float32 ``(batch, outputs)``.
        losses: of the last step, ``(members,)``.
        keyword: in the last step, the sum of all keywords' posteriors, averaged over the members: ``(batch,)``.
    """

    def __init__(
        self,
        members: Sequence[Member],
        settings: Optimiser,
        *,
        share: float,
        labels: int,
        outputs: int,
        shape: tuple[int, int, int],
        device: torch.device,
    ) -> None:
        self._members = members
        self._settings = settings
        self._share = share if len(members) > 1 else 0.0
        self._labels = labels
        self.plain = torch.zeros((settings.batch, *shape), device=device)
        self.augmented = torch.zeros_like(self.plain)
        self.targets = torch.zeros((settings.batch, outputs), device=device)
        self._taught = torch.zeros((), device=device)
        self._momentum = torch.zeros((), device=device)
        self.losses = torch.zeros(len(members), device=device)
        self.keyword = torch.zeros(settings.batch, device=device)
        self._graph: Any = None

    def record(self, examples: Float32Array) -> None:
        """Record the whole step as one graph of operations, which a graphics card starts at once.

        What these steps teach, from examples ``(n, *shape)``, is undone.
        """
        before = [tensor.clone() for tensor in self.tensors()]
        self.plain.copy_(torch.from_numpy(np.resize(examples, self.plain.shape)))
        self.augmented.copy_(self.plain)
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
        self.restore(before)

    def tensors(self) -> list[torch.Tensor]:
        """Return everything that decides what is learned."""
        return [tensor for member in self._members for tensor in member.tensors()]

    def restore(self, values: Sequence[torch.Tensor]) -> None:
        """Go back to copies of :meth:`tensors`."""
        with torch.no_grad():
            for tensor, value in zip(self.tensors(), values, strict=True):
                tensor.copy_(value)

    def step(self, clips: int) -> None:
        """Learn from the batch in memory, as the schedule says after ``clips`` windows."""
        for member in self._members:
            member.rate.fill_(self._settings.rate_after(clips))
        self._taught.fill_(self._share if clips >= _UNTAUGHT * self._settings.clips else 0.0)
        self._momentum.fill_(self._settings.momentum_after(clips))
        if self._graph is None:
            self._step()
        else:
            self._graph.replay()

    def _step(self) -> None:
        targets = self.targets
        if self._share:
            with torch.no_grad(), half_precision(targets.device):
                said = [functional.log_softmax(member.averaged(self.plain).float(), 1) for member in self._members]
            together = torch.softmax(torch.stack(said).mean(0), 1)
            targets = targets + self._taught * (together - targets)
        losses, keyword = [], []
        for member in self._members:
            loss, logits = member.learn(self.augmented, targets, self._momentum)
            losses.append(loss)
            keyword.append(torch.softmax(logits, 1)[:, FIRST_KEYWORD : self._labels].sum(1))
        self.losses.copy_(torch.stack(losses))
        self.keyword.copy_(torch.stack(keyword).mean(0))
