"""What stands between a source and the pipeline loses no block and tells of none twice."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from kws.service import Counters
from kws.service.tap import BrokenOff, Tap
from kws.types import AudioBlock


def blocks(*positions: int) -> Iterator[AudioBlock]:
    """Each of ten samples."""
    return (AudioBlock(np.zeros(10, np.float32), position) for position in positions)


def test_the_block_at_which_it_is_broken_off_is_told_once_more_and_heard_in_its_place() -> None:
    source: Any = SimpleNamespace(
        name="x", rate=100, live=True, length=None, overruns=0, drops=0, interrupt=lambda: None,
        blocks=lambda: blocks(0, 10, 20, 35, 45),
    )  # fmt: skip
    counters = Counters()
    told: list[int] = []
    heard: list[int] = []
    broken = False

    def before(block: AudioBlock) -> bool:
        nonlocal broken
        if block.position == 35 and not broken:
            broken = True
            raise BrokenOff
        told.append(block.position)
        return True

    tap = Tap(source, counters, before, memory=0.1)
    with pytest.raises(BrokenOff):
        heard += (block.position for block in tap.blocks())
    first, heard = told.copy(), []
    heard += (block.position for block in tap.blocks())
    assert first == [0, 10, 20]
    assert told == [0, 10, 20, 35, 45]  # what is remembered is not told again
    assert heard[-2:] == [35, 45]
    assert heard[:-2] == [10, 20]
    assert (counters.gaps, counters.lost_samples) == (1, 5)
