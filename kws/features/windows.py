"""Overlapping windows of a stream, as spectrograms whose shared frames are computed once.

The spectrograms are the same to the bit however the sound is cut into blocks: frames are always computed in the same
groups (all of the first window, then one hop at a time), because the matrix product of the mel bands rounds differently
in groups of other sizes. Frames are computed when they are asked for, from sound that is kept that long, so a window
that nothing asks for costs almost nothing.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

import msgspec
import numpy as np

from kws.errors import UsageError
from kws.features.front_end import FrontEnd
from kws.types import AudioBlock, Float32Array

_SILENT = 1e-12


class Window(msgspec.Struct, frozen=True):
    """One window of the stream; :meth:`WindowStream.spectrogram` has its spectrogram.

    Attributes:
        end: position of the sample after the window's last, at the front-end's rate.
        level: of the newest hop of sound, in decibels re full scale; -120 for digital silence.
        fresh: True for the first window of a segment, which has nothing in common with the window before.
    """

    end: int
    level: float
    fresh: bool


class WindowStream:
    """Cuts sound into windows, one every hop, the first after one full window.

    Args:
        front_end: computes the frames and sets the length of the window.
        hop: samples between windows, a multiple of the front-end's ``frame_step``.
        history: how many windows back :meth:`spectrogram` can go.

    Raises:
        UsageError: the hop does not fit the front-end; the message names the nearest that do.
    """

    def __init__(self, front_end: FrontEnd, hop: int, *, history: int = 0) -> None:
        check_hop(front_end, hop)
        self.front_end = front_end
        self.hop = hop
        self._frames_a_hop = hop // front_end.frame_step
        self._frames_a_window = front_end.frames
        self._keep_frames = self._frames_a_window + history * self._frames_a_hop
        self._frames = np.zeros((self._keep_frames, front_end.bins), np.float32)  # the newest
        # Keep the sound under the windows that can be asked for, and a hop more. Older sound makes room when the
        # buffer is full, so that not every block moves it.
        self._keep = front_end.window + (1 + history) * hop
        self._sound = np.zeros(2 * self._keep, np.float32)
        self._begin(0)

    def _begin(self, position: int) -> None:
        """Begin a new segment at a position, and forget all sound before it."""
        self._filled = 0
        self._position = position  # of the first sample in the buffer
        self._next_frame = position
        self._next_end = position + self.front_end.window
        self._fresh = True
        self._due: deque[tuple[int, int]] = deque()  # groups of frames to compute: position and number
        self._due_frames = 0

    @property
    def end(self) -> int:
        """Position after the newest sample."""
        return self._position + self._filled

    def push(self, block: AudioBlock) -> Iterator[Window]:
        """Take the next block, at the front-end's rate, and yield the windows that it completes.

        A block that does not follow the one before begins a new segment.
        """
        if block.position != self.end:
            self._begin(block.position)
        samples, taken, size = block.samples, 0, len(block.samples)
        while taken < size:
            missing = self._next_end - self.end
            wanted = min(size - taken, missing)
            self._append(samples[taken : taken + wanted])
            taken += wanted
            if wanted == missing:
                yield self._take()

    def spectrogram(self, ago: int = 0) -> Float32Array:
        """Return the spectrogram of the newest window, or of one before it.

        Args:
            ago: how many windows ago; at most ``history``, and in the same segment.

        Returns:
            float32 ``(frames, bins)``; a view that later sound overwrites.
        """
        front_end, frames = self.front_end, self._frames
        while self._due:
            position, count = self._due.popleft()
            self._due_frames -= count
            sound: Float32Array = np.ndarray(
                (count, front_end.frame_length),
                np.float32,
                self._sound,
                4 * (position - self._position),
                (4 * front_end.frame_step, 4),
            )
            frames[:-count] = frames[count:]
            frames[-count:] = front_end.frames_of(sound)
        stop = len(frames) - ago * self._frames_a_hop
        return frames[stop - self._frames_a_window : stop]

    def _append(self, samples: Float32Array) -> None:
        begin, end = self._filled, self._filled + len(samples)
        if end > len(self._sound):
            kept = min(begin, self._keep)
            self._sound[:kept] = self._sound[begin - kept : begin]
            self._position += begin - kept
            begin, end = kept, kept + len(samples)
        self._sound[begin:end] = samples
        self._filled = end

    def _take(self) -> Window:
        end = self._next_end
        count = self._frames_a_window if self._fresh else self._frames_a_hop
        self._due.append((self._next_frame, count))
        self._due_frames += count
        while self._due_frames - self._due[0][1] >= self._keep_frames:
            self._due_frames -= self._due.popleft()[1]  # no window that can be asked for has it
        self._next_frame += count * self.front_end.frame_step
        self._next_end += self.hop
        window = Window(end, _level(self._sound[self._filled - self.hop : self._filled]), self._fresh)
        self._fresh = False
        return window


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
