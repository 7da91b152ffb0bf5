"""Batches of images from mixed windows: some are used again, with other augmentation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import scipy.fft

from kws.features.front_end import FrontEnd
from kws.training.augment import filter_spectrogram, mask_spectrogram
from kws.training.material import Example
from kws.training.recipe import Mix
from kws.types import Float32Array

_POOL = 8  # batches whose windows are drawn from again


class TrainingFrontEnd(FrontEnd, frozen=True, kw_only=True):
    """The same front-end but for the last bits: SciPy transforms a window's frames together, five times as fast."""

    @classmethod
    def like(cls, front_end: FrontEnd) -> TrainingFrontEnd:
        return cls(**msgspec.structs.asdict(front_end))

    def transform(self, frames: Float32Array) -> npt.NDArray[np.complexfloating[Any, Any]]:
        spectra: npt.NDArray[np.complexfloating[Any, Any]] = scipy.fft.rfft(frames, self.fft_length)
        return spectra


class WindowSource(Protocol):
    """Draws windows to learn from; :class:`kws.training.mixing.Mixer` is one."""

    def draw(self) -> Example: ...


class Batch(NamedTuple):
    """Windows as a network learns from them.

    Attributes:
        plain: images ``(size, *shape)`` as the front-end makes them.
        augmented: the same, augmented.
        targets: the posteriors to learn, ``(size, outputs)``.
        origins: int64 ``(size,)``, for :meth:`kws.training.mixing.Mixer.report`.
    """

    plain: Float32Array
    augmented: Float32Array
    targets: Float32Array
    origins: npt.NDArray[np.int64]


def batches(
    source: WindowSource,
    front_end: FrontEnd,
    target: Callable[[Example], Float32Array],
    mix: Mix,
    *,
    size: int,
    seed: int | Sequence[int],
) -> Iterator[Batch]:
    """Yield batches without end.

    Mixing a window costs as much as learning from it. With ``mix.reuse`` above 1 only that part of a batch is new; the
    rest is drawn from the windows of the last few batches (data echoing, arXiv:1907.05550).
    """
    front_end = TrainingFrontEnd.like(front_end)
    rng = np.random.default_rng(seed)
    pool: list[tuple[Float32Array, Float32Array, int]] = []
    new = max(1, round(size / mix.reuse))
    while True:
        drawn = [source.draw() for _ in range(size if len(pool) < size else new)]
        fresh = [(front_end(one.window), target(one), one.origin) for one in drawn]
        again = rng.choice(len(pool), size - len(fresh), replace=False) if len(fresh) < size else ()
        images, targets, origins = zip(*fresh, *(pool[i] for i in again), strict=True)
        plain = np.stack(images)
        augmented = plain.copy()
        for image in augmented:
            augment(rng, image, front_end, mix)
        yield Batch(plain, augmented, np.stack(targets), np.array(origins))
        if mix.reuse > 1:
            pool += fresh
            # A random window makes way for each new one, so that all are used equally often on average.
            for i in rng.integers(len(pool), size=max(0, len(pool) - _POOL * size)):
                pool[i % len(pool)] = pool[-1]
                pool.pop()


def augment(rng: np.random.Generator, image: Float32Array, front_end: FrontEnd, mix: Mix) -> None:
    """Filter and mask an image ``(frames, bins, channels)`` of a front-end in place."""
    if mix.filter_gain_db or mix.band_limit or mix.suppression:
        filter_spectrogram(
            rng,
            image,
            log_offset=front_end.log_offset,
            gain_db=mix.filter_gain_db,
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
