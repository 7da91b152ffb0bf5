"""The network of :mod:`kws.training.tensorflow.network` in PyTorch, with the same names of layers and the same weights.

PyTorch trains it on a graphics card; TensorFlow makes TFLite files of the result.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from kws.training.recipe import NetworkOptions
from kws.training.runs import Weights
from kws.types import Float32Array

# Size of the depthwise kernel, repeats, filters, expansion and stride of each stage of EfficientNet-B0.
_STAGES = (
    (3, 1, 16, 1, 1),
    (3, 2, 24, 6, 2),
    (5, 2, 40, 6, 2),
    (3, 3, 80, 6, 2),
    (5, 3, 112, 6, 1),
    (5, 4, 192, 6, 2),
    (3, 1, 320, 6, 1),
)
_STEM, _TOP = 32, 1280
_SQUEEZE = 0.25
_DIVISOR = 8
# Keras' values, for the same network.
_EPSILON, _MOMENTUM = 1e-3, 0.01
_LEAST_DEVIATION = 1e-7
# Of a standard normal distribution that is cut off at two deviations.
_CUT_DEVIATION = 0.87962566103423978


class Convolution(nn.Conv2d):  # type: ignore[misc]  # PyTorch's types are unknown where it is not installed
    """A convolution with TensorFlow's padding ``SAME``: where it is uneven, the later side has more."""

    def __init__(self, channels: int, filters: int, size: int, *, stride: int = 1, **options: Any) -> None:
        super().__init__(channels, filters, size, stride=stride, **options)
        # Variance scaling with fan out, from a normal distribution cut off at two deviations, as in EfficientNet.
        fan = size * size * (1 if self.groups > 1 else filters)
        deviation = math.sqrt(2.0 / fan) / _CUT_DEVIATION
        nn.init.trunc_normal_(self.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        (size, _), (stride, _) = self.kernel_size, self.stride
        rows, columns = (max((-(-pixels // stride) - 1) * stride + size - pixels, 0) for pixels in images.shape[2:])
        padding = (rows // 2, columns // 2)
        if rows % 2 or columns % 2:
            images = functional.pad(images, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
            padding = (0, 0)
        return functional.conv2d(images, self.weight, self.bias, self.stride, padding, 1, self.groups)


def _batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON, momentum=_MOMENTUM)


class Block(nn.Module):  # type: ignore[misc]
    """An inverted bottleneck, left out of single windows with the probability ``drop`` in training."""

    def __init__(
        self, channels: int, filters: int, *, size: int, stride: int, expand: int, lite: bool, drop: float
    ) -> None:
        super().__init__()
        wide = channels * expand
        self.layers = nn.ModuleDict()
        if expand != 1:
            self.layers["expand_conv"] = Convolution(channels, wide, 1, bias=False)
            self.layers["expand_bn"] = _batch_norm(wide)
        self.layers["dwconv"] = Convolution(wide, wide, size, stride=stride, groups=wide, bias=False)
        self.layers["bn"] = _batch_norm(wide)
        if not lite:
            squeezed = max(1, int(channels * _SQUEEZE))
            self.layers["se_reduce"] = Convolution(wide, squeezed, 1)
            self.layers["se_expand"] = Convolution(squeezed, wide, 1)
        self.layers["project_conv"] = Convolution(wide, filters, 1, bias=False)
        self.layers["project_bn"] = _batch_norm(filters)
        self.activation = functional.relu6 if lite else functional.silu
        self.residual = stride == 1 and channels == filters
        self.drop = drop

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        layers, activation, x = self.layers, self.activation, images
        if "expand_conv" in layers:
            x = activation(layers["expand_bn"](layers["expand_conv"](x)))
        x = activation(layers["bn"](layers["dwconv"](x)))
        if "se_reduce" in layers:
            squeezed = activation(layers["se_reduce"](x.mean((2, 3), keepdim=True)))
            x = x * torch.sigmoid(layers["se_expand"](squeezed))
        x = layers["project_bn"](layers["project_conv"](x))
        if not self.residual:
            return x
        if self.training and self.drop:
            kept = torch.rand((len(x), 1, 1, 1), device=x.device) >= self.drop
            x = x * (kept / (1.0 - self.drop)).to(x.dtype)
        return x + images


class EfficientNet(nn.Module):  # type: ignore[misc]
    """B0 scaled in width and depth: from images ``(batch, frames, bins, channels)`` to logits ``(batch, outputs)``."""

    def __init__(self, options: NetworkOptions, shape: tuple[int, int, int], outputs: int) -> None:
        super().__init__()
        lite = options.variant == "lite"
        self._activation = functional.relu6 if lite else functional.silu
        self._dropout = options.dropout
        repeats = [math.ceil(options.depth * repeat) for _, repeat, *_ in _STAGES]
        channels, top = _rounded(_STEM * options.width), _rounded(_TOP * options.width)
        self.layers = nn.ModuleDict()
        self.layers["stem_conv"] = Convolution(shape[2], channels, 3, stride=2, bias=False)
        self.layers["stem_bn"] = _batch_norm(channels)
        self.blocks = nn.ModuleDict()
        for number, (repeat, (size, _, base, expand, stride)) in enumerate(zip(repeats, _STAGES, strict=True), 1):
            filters = _rounded(base * options.width)
            for i in range(repeat):
                self.blocks[f"block{number}{chr(ord('a') + i)}"] = Block(
                    channels,
                    filters,
                    size=size,
                    stride=stride if i == 0 else 1,
                    expand=expand,
                    lite=lite,
                    drop=options.drop_connect * len(self.blocks) / sum(repeats),
                )
                channels = filters
        self.layers["top_conv"] = Convolution(channels, top, 1, bias=False)
        self.layers["top_bn"] = _batch_norm(top)
        self.layers["posteriors"] = nn.Linear(top, outputs)
        nn.init.xavier_uniform_(self.layers["posteriors"].weight)
        nn.init.zeros_(self.layers["posteriors"].bias)
        self.register_buffer("mean", torch.zeros(shape[1]))
        self.register_buffer("variance", torch.ones(shape[1]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        layers, activation = self.layers, self._activation
        deviation = torch.clamp(torch.sqrt(self.variance), min=_LEAST_DEVIATION)
        x = (images - self.mean[:, None]) / deviation[:, None]
        # A view: in memory the channels stay last, which is how graphics cards convolve fastest.
        x = activation(layers["stem_bn"](layers["stem_conv"](x.permute(0, 3, 1, 2))))
        for block in self.blocks.values():
            x = block(x)
        x = activation(layers["top_bn"](layers["top_conv"](x)))
        logits: torch.Tensor = layers["posteriors"](functional.dropout(x.mean((2, 3)), self._dropout, self.training))
        return logits

    def named_layers(self) -> dict[str, nn.Module]:
        """Return all layers by the names that Keras gives them."""
        blocks = self.blocks.items()
        inner = {f"{block}_{name}": layer for block, part in blocks for name, layer in part.layers.items()}
        return {**self.layers, **inner}


def _rounded(filters: float) -> int:
    """Round to the nearest multiple of 8, and at most a tenth down."""
    rounded = max(_DIVISOR, int(filters + _DIVISOR / 2) // _DIVISOR * _DIVISOR)
    return rounded + _DIVISOR if rounded < 0.9 * filters else rounded


def weights_of(model: EfficientNet) -> dict[str, list[Float32Array]]:
    """Return the weights of each layer as Keras' ``get_weights`` does for the same network."""
    weights = {"normalisation": [_numpy(model.mean), _numpy(model.variance)]}
    for name, layer in model.named_layers().items():
        weights[name] = [_numpy(tensor.permute(_keras_axes(name, tensor.ndim))) for tensor in _tensors(layer)]
    return weights


def set_weights(model: EfficientNet, weights: Weights) -> None:
    """Set the weights that :func:`weights_of` returns."""
    with torch.no_grad():
        for buffer, value in zip((model.mean, model.variance), weights["normalisation"], strict=True):
            buffer.copy_(torch.from_numpy(value))
        for name, layer in model.named_layers().items():
            for tensor, value in zip(_tensors(layer), weights[name], strict=True):
                tensor.permute(_keras_axes(name, tensor.ndim)).copy_(torch.from_numpy(value))


def _tensors(layer: nn.Module) -> list[torch.Tensor]:
    """Return the weights of a layer in Keras' order."""
    names = ("weight", "bias", "running_mean", "running_var")
    return [tensor for name in names if (tensor := getattr(layer, name, None)) is not None]


def _numpy(tensor: torch.Tensor) -> Float32Array:
    return np.ascontiguousarray(tensor.detach().float().cpu().numpy())


def _keras_axes(layer: str, rank: int) -> tuple[int, ...]:
    """Return the axes of a weight of PyTorch in the order in which Keras has them."""
    if rank == 4:
        # Depthwise kernels are (channels, 1, rows, columns) here and (rows, columns, channels, 1) there.
        return (2, 3, 0, 1) if layer.endswith("dwconv") else (2, 3, 1, 0)
    return tuple(reversed(range(rank)))
