"""SHA-256 equals that of hashlib, with Python's own code and without it."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.common.digest import sha256_of, sha256_of_file

LENGTHS = [0, 1, 65535, 65536, 65537, 200_000]


@given(st.binary(max_size=300))
def test_bytes(data: bytes) -> None:
    assert sha256_of(data) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("absent", [(), ("_sha2", "_sha256")])
@pytest.mark.parametrize("length", LENGTHS)
def test_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absent: tuple[str, ...], length: int) -> None:
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)
    path = tmp_path / "file"
    data = bytes(number % 251 for number in range(length))
    path.write_bytes(data)
    assert sha256_of_file(path) == hashlib.sha256(data).hexdigest()
