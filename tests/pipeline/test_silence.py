"""When the driver of a pipeline may pause, in a time of the test's own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from kws.pipeline.silence import PAUSE_SECONDS, Pacer
from kws.types import AudioBlock
from tests.support.paced_source import RATE, Recorder

Hear = Callable[..., list[AudioBlock]]


@pytest.fixture
def hear(monkeypatch: pytest.MonkeyPatch) -> Hear:
    """Returns all blocks of a recorder's sound, which is silent from one second to another."""

    def hear(recorder: Recorder, seconds: float, silent: tuple[float, float] = (0.0, 1e9)) -> list[AudioBlock]:
        monkeypatch.setattr("kws.pipeline.silence.monotonic", recorder.clock)
        pacer, heard = Pacer(), []
        for block in recorder.blocks(np.zeros(round(seconds * RATE), np.float32)):
            pacer.arrive(len(block.samples) / RATE)
            heard.append(block)
            pacer.leave(PAUSE_SECONDS if silent[0] <= block.end / RATE < silent[1] else 0.0)
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
    # A quarter of a second sleeps through ten windows of 20 ms.
    assert recorder.wakes == pytest.approx(60 / PAUSE_SECONDS, rel=0.1)


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
