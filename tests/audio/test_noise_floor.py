from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from kws.audio.noise_floor import LIMIT, MARGIN, NoiseFloor


def silent(levels: Iterable[float], *, hops: int = 3, memory: int = 8) -> str:
    """For each hop whether the window that it ends was silent: ``.``, or not: ``#``."""
    floor = NoiseFloor(hops, memory)
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


def test_a_new_segment_knows_no_floor() -> None:
    floor = NoiseFloor(3, 8)
    first = [floor.step(-60) for _ in range(10)]
    floor.reset()
    assert [floor.step(-60) for _ in range(10)] == first


@given(st.lists(st.floats(-120, 0), min_size=1, max_size=60), st.integers(1, 6), st.integers(1, 12))
def test_a_silent_window_is_never_louder_than_the_quietest_hops_around_it(
    levels: list[float], hops: int, memory: int
) -> None:
    floor = NoiseFloor(hops, memory)
    for place, level in enumerate(levels):
        if floor.step(level):
            assert place + 1 >= max(memory, hops + 1)
            window = levels[max(0, place - hops) : place + 1]
            assert max(window) <= LIMIT
            assert max(window) <= min(levels[max(0, place + 1 - max(memory, hops + 1)) : place + 1]) + MARGIN
