"""Tests of addresses: which of them only this machine reaches."""

import pytest

from kws.common.addresses import is_local


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST"])
def test_loopback_is_local(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "::123", "127.example.org", "localhost.example.org"])  # noqa: S104
def test_addresses_that_others_may_reach_are_not(host: str) -> None:
    assert not is_local(host)
