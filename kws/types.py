"""The values that flow from one part to the next.

A position in time is an integer count of samples since the stream began; seconds are derived from it. No
value carries the wall clock except :attr:`Detection.time`, which nothing ever decides on.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeAlias

import msgspec
import numpy as np

# What numpy.typing.NDArray stands for: a start need not load that module.
Float32Array: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.float32]]
Float64Array: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.float64]]

SILENCE = "_silence_"
UNKNOWN = "_unknown_"


class AudioBlock(msgspec.Struct, frozen=True, eq=False):
    """A run of consecutive mono samples, in the order and at the rate that its source has.

    Attributes:
        samples: float32 ``(n,)``, nominally in [-1, 1].
        position: samples between the beginning of the stream and ``samples[0]``, at the block's own rate. A
            position beyond the end of the block before is a gap: samples were lost, and whatever consumes the
            blocks starts a new segment.
    """

    samples: Float32Array
    position: int

    @property
    def end(self) -> int:
        """The position just after the last sample."""
        return self.position + len(self.samples)


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """A keyword was spoken.

    Attributes:
        keyword: one of the model's labels.
        score: the smoothed posterior with which it was decided, in [0, 1].
        start: where the word is thought to begin, in seconds since the stream began.
        end: the newest sample heard when the decision fell, in seconds since the stream began.
        time: the moment the decision fell, UTC.
        model: the name of the model that heard it.
        wake: the wake word that opened the gate for this command; None without a gate or for the wake word.
        site: the place where it was heard; None where none is configured.
        level: of the word's loudest hop, in decibels re full scale. It is not published.
    """

    keyword: str
    score: float
    start: float
    end: float
    time: datetime
    model: str
    wake: str | None = None
    site: str | None = None
    level: float = -120.0
