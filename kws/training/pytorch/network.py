"""The network of :mod:`kws.training.network` in PyTorch, with the same names of layers and the same weights.

PyTorch trains it on a graphics card; TensorFlow makes the TFLite files of what came of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from kws.training.pytorch.blocks import Block, plan
from kws.training.recipe import Network
from kws.types import Float32Array

#: Keras' way, which the TFLite files were always made from.
_EPSILON, _MOMENTUM = 1e-3, 0.01
_LEAST_DEVIATION = 1e-7
# Of a standard normal distribution that is cut off at two deviations.
_CUT_DEVIATION = 0.87962566103423978

#: The weights of each layer by its name, as Keras has them and in its order.
Weights = Mapping[str, list[Float32Array]]


class Convolution(nn.Conv2d):  # type: ignore[misc]  # as all types of PyTorch are, unknown where it is missing
    """A convolution whose padding is TensorFlow's ``SAME``: where it is uneven, the later side has more."""

    def __init__(self, channels: int, filters: int, size: int, *, stride: int = 1, **options: Any) -> None:
        super().__init__(channels, filters, size, stride=stride, **options)
        # Variance scaling with fan out, as EfficientNet has it; of a normal distribution cut off at two deviations.
        fan = size * size * (1 if self.groups > 1 else filters)
        deviation = math.sqrt(2.0 / fan) / _CUT_DEVIATION
        nn.init.trunc_normal_(self.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        (size, _), (stride, _) = self.kernel_size, self.stride
        rows, columns = (max((-(-pixels // stride) - 1) * stride + size - pixels, 0) for pixels in images.shape[2:])
        if rows % 2 or columns % 2:
            padding = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
            return functional.conv2d(
                functional.pad(images, padding), self.weight, self.bias, self.stride, 0, 1, self.groups
            )
        half = (rows // 2, columns // 2)
        return functional.conv2d(images, self.weight, self.bias, self.stride, half, 1, self.groups)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON, momentum=_MOMENTUM)


class EfficientNet(nn.Module):  # type: ignore[misc]
    """From images ``(batch, rows, columns, channels)`` to logits ``(batch, labels)``."""

    def __init__(self, network: Network, shape: tuple[int, int, int], labels: int) -> None:
        super().__init__()
        scheme = plan(network)
        self._scheme = scheme
        self._lite = network.variant == "lite"
        self._dropout = network.dropout
        self.layers = nn.ModuleDict()
        self.layers["stem_conv"] = Convolution(shape[2], scheme.stem, 3, stride=2, bias=False)
        self.layers["stem_bn"] = _batch_norm(scheme.stem)
        for block in scheme.blocks:
            self._add_block(block)
        self.layers["top_conv"] = Convolution(scheme.blocks[-1].filters, scheme.top, 1, bias=False)
        self.layers["top_bn"] = _batch_norm(scheme.top)
        self.layers["posteriors"] = nn.Linear(scheme.top, labels)
        nn.init.xavier_uniform_(self.layers["posteriors"].weight)
        nn.init.zeros_(self.layers["posteriors"].bias)
        self.register_buffer("mean", torch.zeros(shape[1]))
        self.register_buffer("variance", torch.ones(shape[1]))

    def _add_block(self, block: Block) -> None:
        name, wide = block.name, block.channels * block.expand
        if block.expand != 1:
            self.layers[f"{name}_expand_conv"] = Convolution(block.channels, wide, 1, bias=False)
            self.layers[f"{name}_expand_bn"] = _batch_norm(wide)
        self.layers[f"{name}_dwconv"] = Convolution(
            wide, wide, block.size, stride=block.stride, groups=wide, bias=False
        )
        self.layers[f"{name}_bn"] = _batch_norm(wide)
        if block.squeezed:
            self.layers[f"{name}_se_reduce"] = Convolution(wide, block.squeezed, 1)
            self.layers[f"{name}_se_expand"] = Convolution(block.squeezed, wide, 1)
        self.layers[f"{name}_project_conv"] = Convolution(wide, block.filters, 1, bias=False)
        self.layers[f"{name}_project_bn"] = _batch_norm(block.filters)

    def _activated(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu6(x) if self._lite else functional.silu(x)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        deviation = torch.clamp(torch.sqrt(self.variance), min=_LEAST_DEVIATION)
        x = (images - self.mean[:, None]) / deviation[:, None]
        # As a view: in memory the channels stay last, which is how graphics cards convolve fastest.
        x = x.permute(0, 3, 1, 2)
        x = self._activated(self.layers["stem_bn"](self.layers["stem_conv"](x)))
        for block in self._scheme.blocks:
            x = self._block(block, x)
        x = self._activated(self.layers["top_bn"](self.layers["top_conv"](x)))
        x = functional.dropout(x.mean((2, 3)), self._dropout, self.training)
        logits: torch.Tensor = self.layers["posteriors"](x)
        return logits

    def _block(self, block: Block, images: torch.Tensor) -> torch.Tensor:
        name, layers, x = block.name, self.layers, images
        if block.expand != 1:
            x = self._activated(layers[f"{name}_expand_bn"](layers[f"{name}_expand_conv"](x)))
        x = self._activated(layers[f"{name}_bn"](layers[f"{name}_dwconv"](x)))
        if block.squeezed:
            squeezed = self._activated(layers[f"{name}_se_reduce"](x.mean((2, 3), keepdim=True)))
            x = x * torch.sigmoid(layers[f"{name}_se_expand"](squeezed))
        x = layers[f"{name}_project_bn"](layers[f"{name}_project_conv"](x))
        if not block.added:
            return x
        if self.training and block.drop:
            kept = torch.rand((len(x), 1, 1, 1), device=x.device) >= block.drop
            x = x * (kept / (1.0 - block.drop)).to(x.dtype)
        return x + images


def decayed_parameters(model: EfficientNet) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The parameters that weight decay applies to, kernels, and the others."""
    kernels = [p for p in model.parameters() if p.ndim > 1]
    return kernels, [p for p in model.parameters() if p.ndim == 1]


def weights_of(model: EfficientNet) -> dict[str, list[Float32Array]]:
    """What Keras' ``get_weights`` gives for each layer of the same network."""
    weights = {"normalisation": [_numpy(model.mean), _numpy(model.variance)]}
    for name, layer in model.layers.items():
        weights[name] = [_numpy(tensor.permute(_keras_axes(name, tensor.ndim))) for tensor in _tensors(layer)]
    return weights


def set_weights(model: EfficientNet, weights: Weights) -> None:
    """The reverse of :func:`weights_of`."""
    mean, variance = weights["normalisation"]
    model.mean.copy_(torch.from_numpy(mean))
    model.variance.copy_(torch.from_numpy(variance))
    with torch.no_grad():
        for name, layer in model.layers.items():
            for tensor, value in zip(_tensors(layer), weights[name], strict=True):
                tensor.permute(_keras_axes(name, tensor.ndim)).copy_(torch.from_numpy(value))


def _tensors(layer: nn.Module) -> list[torch.Tensor]:
    """Weights of a layer in Keras' order."""
    names = ("weight", "bias", "running_mean", "running_var")
    return [tensor for name in names if (tensor := getattr(layer, name, None)) is not None]


def _numpy(tensor: torch.Tensor) -> Float32Array:
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())


def _keras_axes(layer: str, rank: int) -> tuple[int, ...]:
    """The axes of a weight of PyTorch in the order in which Keras has them."""
    if rank == 4:
        # Depthwise kernels are (channels, 1, rows, columns) here and (rows, columns, channels, 1) there.
        return (2, 3, 0, 1) if layer.endswith("dwconv") else (2, 3, 1, 0)
    return tuple(reversed(range(rank)))
