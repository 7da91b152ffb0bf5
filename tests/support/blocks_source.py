"""A source that delivers what a test hands it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Self

from kws.audio.source import Source
from kws.types import AudioBlock


class BlocksSource(Source):
    """A source of these blocks; calls what stands between them instead."""

    name = "test"

    def __init__(self, *steps: AudioBlock | Callable[[], None], rate: int = 16000, live: bool = False) -> None:
        self.rate = rate
        self.live = live
        self._steps = steps

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def interrupt(self) -> None:
        pass

    def blocks(self) -> Iterator[AudioBlock]:
        for step in self._steps:
            if isinstance(step, AudioBlock):
                yield step
            else:
                step()
