"""A place that takes over loses no block, and hears none of them twice but the newest."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from kws.publishers.observer import Observer
from kws.service.listener import Listener
from kws.service.place import Place
from kws.types import AudioBlock
from tests.support.blocks_source import BlocksSource

RATE = 10


def ten_from(position: int) -> AudioBlock:
    return AudioBlock(np.zeros(10, np.float32), position)


class Tape:
    """Stands for a pipeline: the positions of the blocks pushed since each was opened."""

    pause_seconds = 0.0
    settings = SimpleNamespace(keywords={}, listened=(), gate=None)
    model = SimpleNamespace(front_end=SimpleNamespace(sample_rate=RATE, window=RATE))

    def __init__(self) -> None:
        self.pushed: list[int] = []
        self.finished = False

    def open(self, rate: int) -> None:
        assert rate == RATE

    def push(self, block: AudioBlock) -> Iterator[Any]:
        self.pushed.append(block.position)
        return iter(())

    def finish(self) -> Iterator[Any]:
        self.finished = True
        return iter(())


class Sound(Observer):
    """The positions of the sound that an observer gets."""

    def __init__(self) -> None:
        self.positions: list[int] = []

    def sound(self, site: str, block: AudioBlock) -> None:  # noqa: ARG002 - the interface
        self.positions.append(block.position)


def place(tape: Tape, source: BlocksSource) -> Place:
    pipeline: Any = tape
    return Place(site="kitchen", make_source=lambda: source, reopens=False, pipeline=pipeline)


def test_the_newest_sound_is_heard_once_more_and_no_block_is_lost() -> None:
    first, second, sound = Tape(), Tape(), Sound()
    # Two blocks are a second each, and a second and a half is remembered.
    before, after = map(ten_from, (0, 10, 20)), map(ten_from, (35, 45))
    source = BlocksSource(*before, lambda: listener.take_over(place(second, source), timeout=0), *after, rate=RATE)
    listener = Listener(place(first, source), observer=sound)
    listener.start()
    listener.join(20)
    assert listener.failure is None
    assert first.pushed == [0, 10, 20]
    assert second.pushed == [10, 20, 35, 45]
    assert sound.positions == [0, 10, 20, 35, 45]  # an observer hears nothing twice
    assert (first.finished, second.finished) == (False, True)
    assert (listener.counters.gaps, listener.counters.lost_samples) == (1, 5)
