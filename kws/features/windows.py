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
        # Keep the frames of the windows that can be asked for, the sound under them, and a hop more of it. Older ones
        # make room when a buffer is full, so that not every block moves all.
        self._keep_frames = self._frames_a_window + history * self._frames_a_hop
        self._frames = np.zeros((self._keep_frames + self._frames_a_window, front_end.bins), np.float32)
        self._keep = front_end.window + (1 + history) * hop
        self._sound = np.zeros(self._keep + 2 * hop, np.float32)
        self._begin(0)

    def _begin(self, position: int) -> None:
        """Begin a new segment at a position, and forget all sound before it."""
        self._filled = 0
        self._position = position  # of the first sample in the buffer
        self._next_end = position + self.front_end.window
        self._fresh = True
        # Frames are counted from the beginning of the segment.
        self._begun = position
        self._first_frame = self._next_frame = 0  # in the buffer, and after the newest window
        self._due: deque[int] = deque()  # the first ones of hops whose frames are not computed yet

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
        stop = self._next_frame - ago * self._frames_a_hop
        start = stop - self._frames_a_window
        for frame in tuple(self._due):
            if start - self._frames_a_hop < frame < stop:
                self._due.remove(frame)
                self._compute(frame, self._frames_a_hop)
        return self._frames[start - self._first_frame : stop - self._first_frame]

    def _compute(self, frame: int, count: int) -> None:
        """Compute so many frames; the first of them may be no longer in the buffer."""
        step, row = self.front_end.frame_step, frame - self._first_frame
        offset = 4 * (self._begun + frame * step - self._position)
        shape = (count, self.front_end.frame_length)
        sound: Float32Array = np.ndarray(shape, np.float32, self._sound, offset, (4 * step, 4))
        self._frames[max(0, row) : row + count] = self.front_end.frames_of(sound)[max(0, -row) :]

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
        end, frame = self._next_end, self._next_frame
        count = self._frames_a_window if self._fresh else self._frames_a_hop
        self._next_frame += count
        if self._next_frame - self._first_frame > len(self._frames):
            kept = self._keep_frames - count
            begin = frame - self._first_frame - kept
            self._frames[:kept] = self._frames[begin : begin + kept]
            self._first_frame += begin
        if self._fresh:  # its sound is not kept as long as that of one hop
            self._compute(frame, count)
        else:
            self._due.append(frame)
            if self._due[0] + count <= self._next_frame - self._keep_frames:
                self._due.popleft()  # no window that can be asked for has it
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
