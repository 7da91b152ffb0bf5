"""Fixtures that tests of several packages use."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

from tests.support import ROOT
from tests.support.broker import broker, stopped_broker, subscriber  # noqa: F401 - fixtures
from tests.support.sound_server import sound_server, stopped_sound_server  # noqa: F401 - fixtures

# How long an example takes tells of the machine, not of the program.
hypothesis.settings.register_profile("kws", deadline=None)
hypothesis.settings.load_profile("kws")


@pytest.fixture(scope="session")
def model_folder() -> Path:
    """The model that ships; the environment variable KWS_TEST_MODEL names the folder of another."""
    folder = Path(os.environ.get("KWS_TEST_MODEL") or ROOT / "models" / "commands").resolve()
    if not (folder / "model.json").is_file():
        pytest.skip(f"no model in {folder}")
    return folder
