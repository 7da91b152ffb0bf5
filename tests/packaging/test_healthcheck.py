"""The health check of the containers."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.support.tools import load_program


@pytest.fixture(scope="module")
def healthcheck() -> ModuleType:
    return load_program("packaging/healthcheck")


def metrics(**sites: tuple[int, int]) -> str:
    """Return metrics of these sites, each with 1 or 0 for up and for listening."""
    rows = ["# HELP kws_up 1 while sound is scored"]
    for site, (up, listening) in sites.items():
        rows += [f'kws_up{{site="{site}"}} {up}.0', f'kws_listening{{site="{site}"}} {listening}.0']
    return "\n".join([*rows, 'kws_level_dbfs{site="hall"} 1.0', ""])


@pytest.mark.parametrize(
    ("text", "healthy"),
    [
        (metrics(kitchen=(1, 1)), True),
        (metrics(kitchen=(0, 1)), False),
        (metrics(kitchen=(0, 0)), True),  # switched off
        (metrics(kitchen=(0, 1), hall=(1, 1)), True),  # one that hears is enough
        (metrics(kitchen=(0, 1), hall=(0, 0)), False),
        (metrics(), False),
        ("", False),
    ],
)
def test_health(healthcheck: ModuleType, text: str, healthy: bool) -> None:
    assert healthcheck.hears(text) is healthy
