"""Overlapping windows of a stream, as spectrograms whose shared columns are computed once.

However the sound is cut into blocks, the spectrograms are the same to the bit: columns are always computed in the
same groups (all of the first window's at once, then one hop's at a time), because the matrix product behind the mel
bands rounds differently for other group sizes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kws.errors import UsageError
from kws.frontend import FrontEnd
from kws.values import AudioBlock, Float32Array

_SILENT = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Spectrogram:
    """One window of the stream as the front-end sees it.

    Attributes:
        columns: float32 ``(frames, bins)``; overwritten when the next window is taken.
        end: position of the sample after the window's last, at the front-end's rate.
        level: of the newest hop of sound, in decibels re full scale; -120 for digital silence.
        fresh: the first of a stretch: no window before it has anything to do with it.
    """

    columns: Float32Array
    end: int
    level: float
    fresh: bool


class WindowStream:
    """Turns sound into spectrograms of its windows, one every hop, the first after one full window.

    Args:
        front_end: what makes the columns; sets the window.
        hop: samples between windows, a multiple of the front-end's ``frame_step``.

    Raises:
        UsageError: the hop does not fit the front-end; the message names the nearest that do.
    """

    def __init__(self, front_end: FrontEnd, hop: int) -> None:
        check_hop(front_end, hop)
        self.front_end = front_end
        self.hop = hop
        self._columns = np.zeros((front_end.frames, front_end.bins), np.float32)
        self._begin(0)

    def _begin(self, position: int) -> None:
        """Start a new stretch at a position: what was heard before counts no more."""
        self._sound = np.zeros(0, np.float32)
        self._position = position
        self._next_column = position
        self._next_end = position + self.front_end.window
        self._fresh = True

    @property
    def end(self) -> int:
        """Position after the newest sample heard."""
        return self._position + len(self._sound)

    def push(self, block: AudioBlock) -> Iterator[Spectrogram]:
        """Take the next block, at the front-end's rate; yield the windows that it completes.

        A block that does not follow the one before begins a new stretch.
        """
        if block.position != self.end:
            self._begin(block.position)
        self._sound = np.concatenate((self._sound, block.samples))
        while self._next_end <= self.end:
            yield self._take()

    def _take(self) -> Spectrogram:
        front_end = self.front_end
        new = front_end.frames if self._fresh else self.hop // front_end.frame_step
        first = self._next_column - self._position
        last = first + (new - 1) * front_end.frame_step + front_end.frame_length
        self._columns[: front_end.frames - new] = self._columns[new:]
        self._columns[front_end.frames - new :] = front_end.columns(self._sound[first:last])
        end = self._next_end
        newest = self._sound[end - self.hop - self._position : end - self._position]
        spectrogram = Spectrogram(self._columns, end, _level(newest), self._fresh)
        self._fresh = False
        self._next_column += new * front_end.frame_step
        self._next_end += self.hop
        # What the next window needs: its new columns, and its newest hop for the level.
        keep = min(self._next_column, end) - self._position
        self._sound = self._sound[keep:]
        self._position += keep
        return spectrogram


def check_hop(front_end: FrontEnd, hop: int) -> None:
    """Raise a UsageError for a hop, in samples, that does not fit the front-end; it names the nearest that do."""
    step, rate = front_end.frame_step, front_end.sample_rate
    if hop > front_end.frames * step:
        raise UsageError(
            f"a hop of {hop / rate:g} s leaves out sound; it can be at most {front_end.frames * step / rate:g} s"
        )
    if hop < step or hop % step:
        below = max(step, hop // step * step)
        raise UsageError(
            f"a hop of {hop / rate:g} s is no multiple of the front-end's step of {step / rate:g} s; "
            f"the nearest are {below / rate:g} s and {(below + step) / rate:g} s"
        )


def _level(samples: Float32Array) -> float:
    return 10 * math.log10(float(np.dot(samples, samples)) / len(samples) + _SILENT)
