"""Cuts what belongs to a word out of a stream: some sound before it, the word, some sound after it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from kws.types import AudioBlock, Float32Array

#: Seconds of a word that are cut out at most, its newest.
_WORD_SECONDS = 4

#: Seconds after which it may be marked at the latest: a near miss is told when it is over.
_LATE_SECONDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Where something was heard.

    Attributes:
        start: position at which the word is thought to begin, at the stream's rate.
        end: position after the newest sample that it was decided by.
        tag: whatever the one who cuts wants to find on the clip.
    """

    start: int
    end: int
    tag: object = None


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """The sound of a moment.

    Attributes:
        samples: float32 ``(n,)``, mono.
        position: of the first of them.
        moment: whose it is.
    """

    samples: Float32Array
    position: int
    moment: Moment


class Cutter:
    """Remembers the newest sound of one stream, and cuts moments out of it as soon as enough has come after them.

    A gap ends what is under way: a cut holds the sound of one stretch, and less of it than was asked for where the
    stretch begins late or ends early. How the sound is cut into blocks makes no difference.

    Args:
        before, after: samples around a moment.
        rate: samples a second.
    """

    def __init__(self, *, before: int, after: int, rate: int) -> None:
        if before < 0 or after < 0:
            raise ValueError("before and after cannot be negative")
        self._before = before
        self._after = after
        self._longest = before + _WORD_SECONDS * rate + after
        self._keep = self._longest + _LATE_SECONDS * rate
        self._blocks: deque[AudioBlock] = deque()
        self._begin = 0  # of the stretch
        self._waiting: list[Moment] = []

    @property
    def _end(self) -> int:
        return self._blocks[-1].end if self._blocks else self._begin

    def push(self, block: AudioBlock) -> list[Cut]:
        """Take the next block; the cuts that it completes, those that a gap before it ends first."""
        if not len(block.samples):
            return []
        ready = self.flush() if self._blocks and block.position != self._end else []
        if not self._blocks:
            self._begin = block.position
        self._blocks.append(block)
        ready += self._take(self._end)
        while block.position - self._blocks[0].end >= self._keep:
            self._blocks.popleft()
        return ready

    def mark(self, moment: Moment) -> list[Cut]:
        """Have a moment cut out that ends no later than the sound so far; at once if enough sound has come already."""
        if self._blocks and moment.end > self._begin:
            self._waiting.append(moment)
        return self._take(self._end)

    def flush(self) -> list[Cut]:
        """The stretch is over: cut what waits for more, and forget the sound."""
        ready = self._take(None)
        self._blocks.clear()
        return ready

    def _take(self, end: int | None) -> list[Cut]:
        """Those moments for which the sound up to ``end`` is enough; all of them where there will be no more."""
        ready = [moment for moment in self._waiting if end is None or moment.end + self._after <= end]
        if ready:
            self._waiting = [moment for moment in self._waiting if moment not in ready]
        return [self._cut(moment) for moment in ready]

    def _cut(self, moment: Moment) -> Cut:
        end = moment.end + self._after
        start = max(moment.start - self._before, end - self._longest, self._blocks[0].position)
        wanted = [block for block in self._blocks if block.end > start and block.position < end]
        offset = wanted[0].position
        samples = np.concatenate([block.samples for block in wanted])[start - offset : end - offset]
        return Cut(samples, start, moment)
