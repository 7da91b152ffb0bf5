from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.audio.noise_floor import LIMIT, MARGIN, REST, Floor, unhurried
from kws.types import AudioBlock
from tests.support.paced_source import RATE, Recorder


def silent(levels: Iterable[float], *, hops: int = 3, memory: int = 8) -> str:
    """For each hop whether the window that it ends was silent: ``.``, or not: ``#``."""
    floor = Floor(hops, memory)
    return "".join(".#"[not floor.step(level)] for level in levels)


def test_a_steady_noise_is_the_floor_once_it_was_heard_for_long_enough() -> None:
    assert silent([-60] * 12) == "#######....."


def test_digital_silence_is_a_floor_too() -> None:
    assert silent([-120] * 10) == "#######..."


def test_a_louder_hop_counts_until_it_and_a_hop_have_left_the_window() -> None:
    assert silent([-60] * 8 + [-50] + [-60] * 6) == "#######.####..."


def test_up_to_the_margin_it_is_the_floor() -> None:
    assert silent([-60] * 9 + [-60 + MARGIN] + [-60] * 5) == "#######........"
    assert silent([-60] * 9 + [-60 + MARGIN + 0.1] + [-60] * 5) == "#######..####.."


def test_a_quieter_hop_lowers_the_floor_at_once() -> None:
    assert silent([-60] * 9 + [-64] + [-64] * 5) == "#######..###..."


def test_a_louder_noise_is_the_floor_after_twice_the_memory_at_most() -> None:
    levels = [-70] * 11 + [-55] * 30
    assert silent(levels).rindex("#") < 11 + 2 * 8
    assert silent(levels).endswith("." * 14)


def test_what_is_louder_than_the_limit_is_never_silent() -> None:
    assert silent([LIMIT] * 12) == "#######....."
    assert silent([LIMIT + 0.1] * 40) == "#" * 40


def test_a_new_stretch_knows_no_floor() -> None:
    floor = Floor(3, 8)
    first = [floor.step(-60) for _ in range(10)]
    floor.reset()
    assert [floor.step(-60) for _ in range(10)] == first


@given(st.lists(st.floats(-120, 0), min_size=1, max_size=60), st.integers(1, 6), st.integers(1, 12))
def test_a_silent_window_is_never_louder_than_the_quietest_hops_around_it(
    levels: list[float], hops: int, memory: int
) -> None:
    floor = Floor(hops, memory)
    for place, level in enumerate(levels):
        if floor.step(level):
            assert place + 1 >= max(memory, hops + 1)
            window = levels[max(0, place - hops) : place + 1]
            assert max(window) <= LIMIT
            assert max(window) <= min(levels[max(0, place + 1 - max(memory, hops + 1)) : place + 1]) + MARGIN


def hear(recorder: Recorder, seconds: float, silent: Iterable[tuple[float, float]] = ((0.0, 1e9),)) -> list[AudioBlock]:
    """All blocks, where it is silent from one of the seconds to another."""
    heard: list[AudioBlock] = []

    def quiet() -> bool:
        return any(first <= heard[-1].end / RATE < last for first, last in silent)

    sound = recorder.blocks(np.zeros(round(seconds * RATE), np.float32))
    for block in unhurried(sound, RATE, quiet, clock=recorder.clock, sleep=recorder.sleep):
        heard.append(block)  # noqa: PERF402 - before the next is asked for
    return heard


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("block", [0.02, 0.06, 0.1])
def test_in_silence_there_is_a_rest_after_each_rest(block: float, whole: bool) -> None:
    recorder = Recorder(block, whole=whole)
    heard = hear(recorder, 60)
    assert [one.position for one in heard[1:]] == [one.end for one in heard[:-1]]  # nothing lost, nothing twice
    assert heard[-1].end / RATE == pytest.approx(60, abs=0.4)
    assert max(recorder.late) <= REST + 1e-6  # it never falls behind
    # A quarter of a second sleeps through ten windows of 20 ms.
    assert recorder.wakes == pytest.approx(60 / REST, rel=0.1)


def test_sound_is_taken_as_it_comes() -> None:
    recorder = Recorder(0.1)
    hear(recorder, 60, silent=[(20.0, 40.0)])
    assert recorder.rests
    assert all(20.0 - 1e-6 <= rest < 40.0 + REST for rest in recorder.rests)
    heard_late = [i * 0.1 for i, late in enumerate(recorder.late) if late > 1e-6]
    assert min(heard_late) >= 20.0 - 0.1
    assert max(heard_late) <= 40.0 + REST  # what waited during the last rest


@pytest.mark.parametrize("whole", [True, False])
def test_sound_that_comes_sooner_than_it_is_made_never_waits(whole: bool) -> None:
    for pace in (3.0, 50.0, 1e6):
        recorder = Recorder(0.1, pace, whole)
        hear(recorder, 60)
        assert not recorder.rests


@pytest.mark.parametrize("pace", [1.0005, 0.9995])
def test_the_clock_of_a_microphone_may_run_apart_from_ours(pace: float) -> None:
    recorder = Recorder(0.06, pace)
    hear(recorder, 3600)
    assert max(recorder.late) <= REST + 0.01
    assert recorder.wakes < 1.25 * 3600 / REST
