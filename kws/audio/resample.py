"""From any rate to the one that the models hear, block by block, as if the sound had come in one piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from kws.errors import UsageError
from kws.types import AudioBlock, Float32Array

RATE = 16000


class Resampler:
    """Changes the rate of a stream of blocks with soxr, whose filter remembers the blocks before.

    The output does not depend on how the sound is cut into blocks and is aligned with the input: the filter's delay
    is taken out, so that what happens at second t still happens at second t. A stretch of n samples becomes
    ``round(n * rate_out / rate_in)``. Aliases are 120 dB down; the pass band is flat up to 0.91 of the lower half rate.
    A live stream comes out some 40 ms late at 44.1 and 48 kHz, and at once where the rates are equal.

    A gap ends the stretch before it: the filter is emptied, and the next stretch begins at the position that belongs
    to its first sample.

    Args:
        rate_in: samples a second of what goes in.
        rate_out: samples a second of what comes out.
    """

    def __init__(self, rate_in: int, rate_out: int = RATE) -> None:
        if rate_in < 1 or rate_out < 1:
            raise UsageError(f"cannot resample from {rate_in} to {rate_out} samples a second")
        self.rate_in = rate_in
        self.rate_out = rate_out
        self._filter: Any = None  # of the stretch; None between stretches
        self._expected: int | None = None  # position of the next sample in; None before the first
        self._position = 0  # of the next sample out

    def push(self, block: AudioBlock) -> list[AudioBlock]:
        """Take the next block; return what is ready, the end of the stretch before a gap first.

        Raises:
            ValueError: the block begins before the end of the one before.
        """
        if self._expected is not None and block.position < self._expected:
            raise ValueError(f"block at {block.position} after sound up to {self._expected}")
        gap = block.position != self._expected
        self._expected = block.end
        if self.rate_in == self.rate_out:
            return [block]
        ready: list[AudioBlock] = []
        if gap:
            begin = rescale(block.position, self.rate_in, self.rate_out)
            ready = self._end_stretch(before=begin)
            self._position = begin
        if self._filter is None:
            self._filter = _new_filter(self.rate_in, self.rate_out)
        return ready + self._emit(self._filter.resample_chunk(np.ascontiguousarray(block.samples)))

    def flush(self) -> list[AudioBlock]:
        """The end of the last stretch, which the filter still holds; whatever follows begins a new stretch."""
        self._expected = None
        return self._end_stretch()

    def stream(self, blocks: Iterable[AudioBlock]) -> Iterator[AudioBlock]:
        """Resample all blocks, each as soon as it comes, and flush."""
        for block in blocks:
            yield from self.push(block)
        yield from self.flush()

    def _end_stretch(self, *, before: int | None = None) -> list[AudioBlock]:
        if self._filter is None:
            return []
        tail = self._filter.resample_chunk(np.zeros(0, np.float32), last=True)
        self._filter = None
        if before is not None:
            # A gap of a sample or two can round to nothing; it must still be seen as a gap.
            tail = tail[: max(0, before - 1 - self._position)]
        return self._emit(tail)

    def _emit(self, samples: Float32Array) -> list[AudioBlock]:
        if not len(samples):
            return []
        block = AudioBlock(samples, self._position)
        self._position = block.end
        return [block]


def _new_filter(rate_in: int, rate_out: int) -> Any:
    import soxr  # noqa: PLC0415

    return soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality="HQ")


def rescale(position: int, rate_in: int, rate_out: int) -> int:
    """The position at ``rate_out`` nearest to one at ``rate_in``, in whole numbers and so exact at any length."""
    return (2 * position * rate_out + rate_in) // (2 * rate_in)
