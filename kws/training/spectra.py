"""The front-end as training runs it: thousands of whole windows a second."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft

from kws.features.front_end import FrontEnd
from kws.types import Float32Array


class TrainingFrontEnd(FrontEnd):
    """The same but for the last bits: SciPy transforms the frames of a window together, five times as fast as numpy."""

    @classmethod
    def like(cls, front_end: FrontEnd) -> TrainingFrontEnd:
        return cls(**dataclasses.asdict(front_end))

    def transform(self, frames: Float32Array) -> npt.NDArray[np.complexfloating[Any, Any]]:
        spectra: npt.NDArray[np.complexfloating[Any, Any]] = scipy.fft.rfft(frames, self.fft_length)
        return spectra


def column_moments(images: Float32Array) -> tuple[Float32Array, Float32Array]:
    """Mean and variance of every image column over ``(n, rows, columns, channels)``: twice ``(columns,)``."""
    return images.mean(axis=(0, 1, 3)), images.var(axis=(0, 1, 3))
