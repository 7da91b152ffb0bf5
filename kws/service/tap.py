"""What stands between a source and the pipeline: counts, holds back, remembers, and can break off at any block."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Self

from kws.types import AudioBlock

if TYPE_CHECKING:
    from kws.audio.source import Source
    from kws.service.counters import Counters


class BrokenOff(Exception):  # noqa: N818 - nothing has failed
    """Raised to the pipeline from :meth:`Tap.blocks`: the source goes on, this hearing of it does not."""


class Tap:
    """An open source, heard by one pipeline after the other.

    Args:
        source: opened.
        counters: gaps and what is missing in them are added.
        before: called before each block; whether it is to be heard. What is not heard is a gap like any other. May
            raise :class:`BrokenOff`.
        memory: seconds of sound that a pipeline which takes over hears once more, so that a word in the middle of
            that is heard by one of the two.

    Attributes:
        end: position after the newest sample that came.
    """

    def __init__(
        self, source: Source, counters: Counters, before: Callable[[AudioBlock], bool], *, memory: float
    ) -> None:
        self.name, self.rate, self.live, self.length = source.name, source.rate, source.live, source.length
        self.overruns, self.drops, self.interrupt = source.overruns, source.drops, source.interrupt
        self._blocks = source.blocks()
        self._counters = counters
        self._before = before
        self._memory = round(memory * source.rate)
        self._kept: deque[AudioBlock] = deque()
        self._held_back: AudioBlock | None = None
        self.end = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The source is closed by whoever opened it."""

    def blocks(self) -> Iterator[AudioBlock]:
        """What was heard last, then what comes.

        Raises:
            BrokenOff: see there; call this again to go on.
            AudioError: see the source.
        """
        yield from tuple(self._kept)
        while block := self._next():
            self._held_back = block  # for whoever goes on, if it is broken off here
            heard = self._before(block)
            self._held_back = None
            if heard:
                self._keep(block)
                yield block

    def _next(self) -> AudioBlock | None:
        if self._held_back:
            return self._held_back
        block = next(self._blocks, None)
        if block:
            if block.position != self.end:
                self._counters.gaps += 1
                self._counters.lost_samples += block.position - self.end
            self.end = block.end
        return block

    def _keep(self, block: AudioBlock) -> None:
        self._kept.append(block)
        while self._kept[0].end < block.end - self._memory:
            self._kept.popleft()
