"""Resampling a stream block by block, exactly as if it had come in one piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from kws.errors import UsageError
from kws.types import AudioBlock, Float32Array

RATE = 16000


class Resampler:
    """Changes the rate of a stream with soxr, whose filter remembers the blocks before.

    The output does not depend on how the sound is cut into blocks. It is aligned with the input: soxr compensates the
    delay of its filter, so what happens at second t still happens at second t. A segment of n samples becomes
    ``round(n * rate_out / rate_in)``. Aliases are 120 dB down; the pass band is flat up to 0.91 of the lower Nyquist
    frequency. A live stream comes out some 40 ms late at 44.1 and 48 kHz, and at once if the rates are equal.

    A gap ends a segment: the filter is emptied, and the next segment begins at the position of its first sample.

    Args:
        rate_in: samples per second of the input.
        rate_out: samples per second of the output.
    """

    def __init__(self, rate_in: int, rate_out: int = RATE) -> None:
        if rate_in < 1 or rate_out < 1:
            raise UsageError(f"cannot resample from {rate_in} to {rate_out} samples per second")
        self.rate_in = rate_in
        self.rate_out = rate_out
        self._filter: Any = None  # of the segment; None between segments
        self._expected: int | None = None  # position of the next sample in; None before the first
        self._position = 0  # of the next sample out

    def push(self, block: AudioBlock) -> list[AudioBlock]:
        """Take the next block and return what is ready; before a gap, that begins with the end of the segment.

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
            ready = self._end_segment(before=begin)
            self._position = begin
        if self._filter is None:
            self._filter = _new_filter(self.rate_in, self.rate_out)
        return ready + self._emit(self._filter.resample_chunk(np.ascontiguousarray(block.samples)))

    def flush(self) -> list[AudioBlock]:
        """Return the end of the last segment, which the filter still holds; the next block begins a new one."""
        self._expected = None
        return self._end_segment()

    def stream(self, blocks: Iterable[AudioBlock]) -> Iterator[AudioBlock]:
        """Resample all blocks, each as soon as it comes, and flush."""
        for block in blocks:
            yield from self.push(block)
        yield from self.flush()

    def _end_segment(self, *, before: int | None = None) -> list[AudioBlock]:
        if self._filter is None:
            return []
        tail = self._filter.resample_chunk(np.zeros(0, np.float32), last=True)
        self._filter = None
        if before is not None:
            # A gap of a sample or two can round to nothing, but must remain a gap.
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
    """Return the position at ``rate_out`` nearest to one at ``rate_in``: in integers, so exact at any length."""
    return (2 * position * rate_out + rate_in) // (2 * rate_in)
