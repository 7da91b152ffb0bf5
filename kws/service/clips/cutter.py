"""Cuts words out of a stream: some sound before the word, the word, some sound after it."""

from __future__ import annotations

from collections import deque
from datetime import datetime

import msgspec
import numpy as np

from kws.types import AudioBlock, Float32Array

#: Seconds of one word that a clip holds at most, its newest.
_WORD_SECONDS = 4

#: Seconds between the end of a word and its request at most. A near miss is reported once its activation is over.
_LATE_SECONDS = 4


class ClipRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A word to be cut out.

    Attributes:
        start, end: positions in samples at the rate of the source: the estimated begin of the word, and the end of the
            newest sound that the decision used.
        keyword, score, site, time: of the detection or near miss.
        reason: why a near miss did not fire; None for a detection.
    """

    start: int
    end: int
    keyword: str
    score: float
    site: str
    time: datetime
    reason: str | None = None


class RecordedClip(msgspec.Struct, frozen=True, eq=False):
    """The sound that was cut out: mono float32 ``(n,)``, and the position of its first sample."""

    samples: Float32Array
    position: int
    request: ClipRequest


class Cutter:
    """Remembers the newest sound of one stream, and cuts out each requested word once the sound after it has come.

    A gap ends the segment: a clip never spans one, and is shorter where its segment begins late or ends early. Clips do
    not depend on the sizes of the blocks.

    Args:
        before, after: samples around a word.
        rate: samples per second.
    """

    def __init__(self, *, before: int, after: int, rate: int) -> None:
        if before < 0 or after < 0:
            raise ValueError("before and after cannot be negative")
        self._before = before
        self._after = after
        self._longest = before + _WORD_SECONDS * rate + after
        self._keep = self._longest + _LATE_SECONDS * rate
        self._blocks: deque[AudioBlock] = deque()
        self._begin = 0  # of the segment
        self._waiting: list[ClipRequest] = []

    @property
    def _end(self) -> int:
        return self._blocks[-1].end if self._blocks else self._begin

    def push(self, block: AudioBlock) -> list[RecordedClip]:
        """Take the next block. Return the clips that it completes, or that a gap before it ends."""
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

    def request(self, request: ClipRequest) -> list[RecordedClip]:
        """Request a word that ends within the sound so far. Return its clip if the sound after it has come already."""
        if self._blocks and request.end > self._begin:
            self._waiting.append(request)
        return self._take(self._end)

    def flush(self) -> list[RecordedClip]:
        """End the segment: return clips of all waiting requests, and forget the sound."""
        ready = self._take(None)
        self._blocks.clear()
        return ready

    def _take(self, end: int | None) -> list[RecordedClip]:
        """Cut out the requests that are complete with the sound up to ``end``; all of them if it is None."""
        ready = [request for request in self._waiting if end is None or request.end + self._after <= end]
        self._waiting = [request for request in self._waiting if request not in ready]
        return [self._cut(request) for request in ready]

    def _cut(self, request: ClipRequest) -> RecordedClip:
        end = request.end + self._after
        start = max(request.start - self._before, end - self._longest, self._blocks[0].position)
        wanted = [block for block in self._blocks if block.end > start and block.position < end]
        offset = wanted[0].position
        samples = np.concatenate([block.samples for block in wanted])[start - offset : end - offset]
        return RecordedClip(samples, start, request)
