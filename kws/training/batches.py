"""Mixed windows as the images of a batch: drawn, perhaps again, and coloured and masked anew each time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from kws.features.front_end import FrontEnd
from kws.training.augment import colour_spectrogram, mask_spectrogram
from kws.training.mixing import Example, Source
from kws.training.recipe import Mix
from kws.training.spectra import TrainingFrontEnd
from kws.types import Float32Array

_POOL = 8  # batches that mixed windows are drawn from again
_Item = TypeVar("_Item")


def echoed(
    draw: Callable[[], _Item], rng: np.random.Generator, *, size: int, reuse: float = 1.0
) -> Iterator[list[_Item]]:
    """Batches of what ``draw`` gives, without end.

    Mixing a window costs as much as learning from it. With ``reuse`` above 1 only that part of a batch is new and the
    rest is drawn from the last few batches' windows (data echoing, arXiv:1907.05550).
    """
    pool: list[_Item] = []
    new = max(1, round(size / reuse))
    while True:
        fresh = [draw() for _ in range(size if len(pool) < size else new)]
        again = rng.choice(len(pool), size - len(fresh), replace=False) if len(fresh) < size else ()
        yield fresh + [pool[i] for i in again]
        if reuse > 1:
            pool += fresh
            # A random one makes way for each, so that all are drawn equally often in the mean.
            for i in rng.integers(len(pool), size=max(0, len(pool) - _POOL * size)):
                pool[i % len(pool)] = pool[-1]
                pool.pop()


def disguise(rng: np.random.Generator, image: Float32Array, front_end: FrontEnd, mix: Mix) -> None:
    """Colour and mask an image ``(rows, columns, channels)`` of a front-end; it is overwritten."""
    if mix.colour or mix.band_limit or mix.suppression:
        colour_spectrogram(
            rng,
            image,
            log_offset=front_end.log_offset,
            gain=mix.colour,
            band_limit=mix.band_limit,
            suppression=mix.suppression,
        )
    mask_spectrogram(
        rng,
        image,
        time_masks=mix.time_masks,
        time_mask=mix.time_mask,
        frequency_masks=mix.frequency_masks,
        frequency_mask=mix.frequency_mask,
    )


def batches(
    source: Source, front_end: FrontEnd, target: Callable[[Example], Float32Array], mix: Mix, *, size: int, seed: int
) -> Iterator[tuple[Float32Array, Float32Array, npt.NDArray[np.int64]]]:
    """Images ``(size, *shape)``, targets ``(size, labels)`` and origins ``(size,)`` without end."""
    front_end = TrainingFrontEnd.like(front_end)
    rng = np.random.default_rng(seed)

    def draw() -> tuple[Float32Array, Float32Array, int]:
        example = source.draw()
        return front_end(example.window), target(example), example.origin

    for batch in echoed(draw, rng, size=size, reuse=mix.reuse):
        images = np.stack([image for image, _, _ in batch])
        for image in images:
            disguise(rng, image, front_end, mix)
        yield images, np.stack([target for _, target, _ in batch]), np.array([origin for _, _, origin in batch])
