from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.service.liveness import Liveness
from kws.types import AudioBlock

RATE = 1000
BLOCK = 20


def block(value: float, position: int = 0) -> AudioBlock:
    return AudioBlock(np.full(BLOCK, value, np.float32), position)


def varied() -> AudioBlock:
    return AudioBlock(np.linspace(0, 1e-4, BLOCK, dtype=np.float32), 0)


def after(liveness: Liveness, value: float, most: int = 100_000) -> tuple[float, str]:
    """Return the seconds of one value that it takes, and the problem that it then reports."""
    for number in range(most):
        problem = liveness.look(block(value), RATE)
        if problem:
            return (number + 1) * BLOCK / RATE, problem
    raise AssertionError("nothing was said")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (0.0, "delivers nothing but zeros; is it muted?"),
        (-0.0, "delivers nothing but zeros; is it muted?"),
        (0.25, "delivers nothing but the sample 0.25; it is stuck"),
        (-1.0, "delivers nothing but the sample -1; it is stuck"),
    ],
)
def test_one_value_for_too_long_is_no_sound(value: float, problem: str) -> None:
    liveness = Liveness(3.0)
    assert liveness.look(varied(), RATE) is None
    for _ in range(149):  # 2.98 s
        assert liveness.look(block(value), RATE) is None
        assert liveness.alive
    assert liveness.look(block(value), RATE) == problem
    assert not liveness.alive


@pytest.mark.parametrize("value", [0.0, -0.0, 0.25])
def test_from_the_beginning_it_is_none_until_a_sample_differs(value: float) -> None:
    liveness = Liveness(3.0)
    assert not liveness.alive
    for _ in range(149):
        assert liveness.look(block(value), RATE) is None
        assert not liveness.alive
    assert liveness.look(varied(), RATE) is None
    assert liveness.alive


def test_one_that_was_never_heard_is_opened_anew_as_soon_as_one_that_was() -> None:
    liveness = Liveness(3.0)
    assert after(liveness, 0.0) == (3.0, "delivers nothing but zeros; is it muted?")
    assert not liveness.alive


def test_one_sample_that_differs_is_enough() -> None:
    liveness = Liveness(3.0)
    samples = np.zeros(BLOCK, np.float32)
    samples[-1] = 2.0**-23
    assert liveness.look(AudioBlock(samples, 0), RATE) is None
    assert liveness.alive


def test_only_a_sample_that_differs_ends_that() -> None:
    liveness = Liveness(1.0)
    after(liveness, 0.0)
    liveness.opened()
    assert liveness.look(block(0.0), RATE) is None
    assert liveness.look(block(0.5), RATE) is None  # stuck elsewhere is no better
    assert not liveness.alive
    assert liveness.look(varied(), RATE) is None
    assert liveness.alive
    assert after(liveness, 0.0)[0] == 1.0


def test_each_opening_has_to_show_that_it_lives() -> None:
    liveness = Liveness(1.0)
    assert liveness.look(varied(), RATE) is None
    liveness.opened()
    assert not liveness.alive
    assert after(liveness, 0.0)[0] == 1.0
    assert not liveness.alive
    liveness.opened()
    assert liveness.look(varied(), RATE) is None
    assert liveness.alive


def test_it_is_opened_anew_less_and_less_often_while_that_does_not_help() -> None:
    liveness = Liveness(10.0)
    waits = []
    for _ in range(6):
        waits.append(after(liveness, 0.0)[0])
        liveness.opened()
    assert waits == [10, 20, 40, 60, 60, 60]


def test_the_run_of_zeros_begins_anew_with_another_opening() -> None:
    liveness = Liveness(1.0)
    for _ in range(40):
        assert liveness.look(block(0.0), RATE) is None
    liveness.opened()
    assert after(liveness, 0.0)[0] == 1.0


@given(st.lists(st.sampled_from([0.0, 0.5]), max_size=200))
def test_without_patience_all_is_believed(values: list[float]) -> None:
    liveness = Liveness(0)
    assert liveness.alive
    liveness.opened()
    for value in values:
        assert liveness.look(block(value), RATE) is None
        assert liveness.alive


@pytest.mark.parametrize("place", range(BLOCK))
def test_one_sample_that_differs_is_sound(place: int) -> None:
    sound = block(0.25)
    sound.samples[place] = 0.5
    liveness = Liveness(1.0)
    assert liveness.look(sound, RATE) is None
    assert liveness.alive


def test_an_empty_block_says_nothing() -> None:
    liveness = Liveness(1.0)
    assert liveness.look(AudioBlock(np.zeros(0, np.float32), 0), RATE) is None
    assert not liveness.alive
