from __future__ import annotations

import pytest

from kws.common.backoff import Backoff


def test_the_wait_doubles_up_to_the_limit_and_half_of_it_is_chance() -> None:
    for _ in range(20):
        backoff = Backoff(first=1, limit=60)
        for nominal in (1, 2, 4, 8, 16, 32, 60, 60, 60):
            assert nominal / 2 <= backoff.wait() <= nominal


def test_two_clients_do_not_wait_alike() -> None:
    assert len({Backoff().wait() for _ in range(20)}) > 1


def test_a_good_connection_resets_it() -> None:
    backoff = Backoff(first=1, limit=60)
    for _ in range(5):
        backoff.wait()
    backoff.reset()
    assert backoff.wait() <= 1


@pytest.mark.parametrize(("first", "limit"), [(0, 60), (2, 1), (-1, 1)])
def test_the_limits_must_make_sense(first: float, limit: float) -> None:
    with pytest.raises(ValueError, match="first must be positive"):
        Backoff(first=first, limit=limit)
