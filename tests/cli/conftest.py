from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

from kws.types import Float32Array
from tests.support import ROOT
from tests.support.program import kws, lines

DEMO = ROOT / "kws" / "data" / "demo.flac"


@pytest.fixture(scope="session")
def speech() -> Float32Array:
    """The first six seconds of the demo, with three keywords, at 16 kHz."""
    samples, rate = soundfile.read(DEMO, dtype="float32", stop=6 * 16000)
    assert rate == 16000
    result: Float32Array = samples
    return result


@pytest.fixture(scope="session")
def spoken(speech: Float32Array, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same as a WAV."""
    path = tmp_path_factory.mktemp("spoken") / "spoken.wav"
    soundfile.write(path, speech, 16000)
    return path


Listen = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def listen(model_folder: Path) -> Listen:
    """Run ``kws listen`` on the model under test, check that it prints nothing else, and return the detections."""

    def listen(*arguments: str | Path, stdin: bytes = b"") -> list[dict[str, Any]]:
        return lines(kws("listen", *arguments, "--model", model_folder, stdin=stdin))

    return listen


@pytest.fixture(scope="session")
def detections(model_folder: Path, spoken: Path) -> list[dict[str, Any]]:
    """Return the detections in the file of spoken words, with which those from pipes and microphones must agree."""
    found = lines(kws("listen", spoken, "--model", model_folder))
    assert len(found) >= 2
    return found
