from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.home import Home


@pytest.fixture
def start() -> Iterator[Callable[..., Home]]:
    """Starts services that are ended with the test."""
    homes: list[Home] = []

    def start(**options: Any) -> Home:
        homes.append(Home(**options))
        return homes[-1]

    yield start
    for home in homes:
        home.stop()
