"""Recordings of people, where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="session")
def data() -> Path:
    """The recordings beside the checkout; the environment variable KWS_DATA names another folder."""
    folder = Path(os.environ.get("KWS_DATA") or ROOT.parent / "shared" / "data").resolve()
    if not (folder / "speech_commands" / "validation").is_dir():
        pytest.skip(f"no recordings in {folder}")
    return folder
