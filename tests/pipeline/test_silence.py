"""When the driver of a pipeline may pause, in a time of the test's own."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from kws.pipeline.silence import PAUSE_SECONDS, Pacer
from kws.types import AudioBlock
from tests.support.paced_source import RATE, Recorder

Hear = Callable[..., list[AudioBlock]]


@pytest.fixture
def hear(monkeypatch: pytest.MonkeyPatch) -> Hear:
    """Returns all blocks of a recorder's sound; from one second to another so many seconds of it are needed at once."""

    def hear(
        recorder: Recorder, seconds: float, silent: tuple[float, float] = (0.0, 1e9), needed: float = PAUSE_SECONDS
    ) -> list[AudioBlock]:
        monkeypatch.setattr("kws.pipeline.silence.monotonic", recorder.clock)
        pacer, heard = Pacer(), []
        for block in recorder.blocks(np.zeros(round(seconds * RATE), np.float32)):
            pacer.arrive(len(block.samples) / RATE)
            heard.append(block)
            pacer.leave(needed if silent[0] <= block.end / RATE < silent[1] else 0.0)
            if pacer.pause_seconds:
                recorder.sleep(pacer.pause_seconds)
        return heard

    return hear


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("block", [0.02, 0.06, 0.1])
def test_in_silence_there_is_a_pause_after_each_pause(hear: Hear, block: float, whole: bool) -> None:
    recorder = Recorder(block, whole=whole)
    heard = hear(recorder, 60)
    assert [one.position for one in heard[1:]] == [one.end for one in heard[:-1]]  # nothing lost, nothing twice
    assert heard[-1].end / RATE == pytest.approx(60, abs=0.4)
    assert max(recorder.late) <= PAUSE_SECONDS + 1e-6  # it never falls behind
    # A pause ends just after the block that completes the quarter of a second, so there is no wait for it.
    whole_blocks = math.ceil(PAUSE_SECONDS / block) * block
    assert recorder.wakes == pytest.approx(60 / whole_blocks, rel=0.05)
    newest = [late for late, one in zip(recorder.late, recorder.late[1:], strict=False) if one > late]
    assert max(newest) < 0.01


@pytest.mark.parametrize("needed", [0.0, 0.03, 0.12])
def test_there_is_no_pause_where_the_next_block_is_enough(hear: Hear, needed: float) -> None:
    recorder = Recorder(0.12)
    hear(recorder, 20, needed=needed)
    assert not recorder.rests
    assert max(recorder.late) == 0.0


def test_small_blocks_are_slept_through_until_there_is_enough(hear: Hear) -> None:
    recorder = Recorder(0.02, whole=True)
    heard = hear(recorder, 20, needed=0.12)
    assert len(heard) < 1.1 * 20 / 0.12
    assert max(recorder.late) < 0.12


def test_sound_is_taken_as_it_comes(hear: Hear) -> None:
    recorder = Recorder(0.1)
    hear(recorder, 60, silent=(20.0, 40.0))
    assert recorder.rests
    assert all(20.0 - 1e-6 <= rest < 40.0 + PAUSE_SECONDS for rest in recorder.rests)
    heard_late = [i * 0.1 for i, late in enumerate(recorder.late) if late > 1e-6]
    assert min(heard_late) >= 20.0 - 0.1
    assert max(heard_late) <= 40.0 + PAUSE_SECONDS  # what waited during the last rest


@pytest.mark.parametrize("whole", [True, False])
def test_sound_that_comes_sooner_than_it_is_made_never_waits(hear: Hear, whole: bool) -> None:
    for pace in (3.0, 50.0, 1e6):
        recorder = Recorder(0.1, pace, whole)
        hear(recorder, 60)
        assert not recorder.rests


@pytest.mark.parametrize("pace", [1.0005, 0.9995])
def test_the_clock_of_a_microphone_may_run_apart_from_ours(hear: Hear, pace: float) -> None:
    recorder = Recorder(0.06, pace)
    hear(recorder, 3600)
    assert max(recorder.late) <= PAUSE_SECONDS + 0.01
    assert recorder.wakes < 1.25 * 3600 / PAUSE_SECONDS
