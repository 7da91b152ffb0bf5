"""What an EfficientNet is made of: the layers of B0 scaled in width and depth (arXiv:1905.11946), as plain numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kws.training.recipe import Network

# Size of the depthwise kernel, repeats, filters, expansion and stride of each stage of B0.
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


@dataclass(frozen=True, slots=True)
class Block:
    """One inverted bottleneck.

    Attributes:
        name: what the names of its layers begin with.
        size: of the depthwise kernel.
        stride: of the depthwise convolution.
        channels: that come in.
        expand: factor by which these are widened within.
        squeezed: channels of squeeze-and-excitation; 0 for none.
        filters: channels that go out.
        drop: the probability with which it is left out in training.
    """

    name: str
    size: int
    stride: int
    channels: int
    expand: int
    squeezed: int
    filters: int
    drop: float

    @property
    def added(self) -> bool:
        """Whether what comes in is added to what goes out."""
        return self.stride == 1 and self.channels == self.filters


@dataclass(frozen=True, slots=True)
class Plan:
    """Filters of the first convolution, the blocks, and filters of the last convolution."""

    stem: int
    blocks: tuple[Block, ...]
    top: int


def plan(network: Network) -> Plan:
    """The layers of a member of the family."""
    repeats = [math.ceil(network.depth * repeat) for _, repeat, *_ in _STAGES]
    channels = stem = _rounded(_STEM * network.width)
    blocks: list[Block] = []
    for number, (repeat, (size, _, filters, expand, stride)) in enumerate(zip(repeats, _STAGES, strict=True), 1):
        for i in range(repeat):
            blocks.append(
                Block(
                    name=f"block{number}{chr(ord('a') + i)}",
                    size=size,
                    stride=stride if i == 0 else 1,
                    channels=channels,
                    expand=expand,
                    squeezed=max(1, int(channels * _SQUEEZE)) if network.variant == "original" else 0,
                    filters=_rounded(filters * network.width),
                    drop=network.drop_connect * len(blocks) / sum(repeats),
                )
            )
            channels = blocks[-1].filters
    return Plan(stem, tuple(blocks), _rounded(_TOP * network.width))


def _rounded(filters: float) -> int:
    """To the nearest multiple of 8, and at most a tenth down."""
    rounded = max(_DIVISOR, int(filters + _DIVISOR / 2) // _DIVISOR * _DIVISOR)
    return rounded + _DIVISOR if rounded < 0.9 * filters else rounded
