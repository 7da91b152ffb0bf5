"""The Python API makes the detections of the command line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from kws import Spotter
from kws.types import Float32Array
from tests.support.sound_server import SoundServer


def test_a_recording_has_the_detections_of_kws_listen(
    spoken: Path, speech: Float32Array, model_folder: Path, detections: list[dict[str, Any]]
) -> None:
    spotter = Spotter(model_folder)
    for found in (spotter.spot(speech, 16000), list(spotter.listen(spoken))):
        assert [(one.keyword, round(one.score, 3), one.start, one.end, one.model) for one in found] == [
            (one["keyword"], one["score"], one["start"], one["end"], one["model"]) for one in detections
        ]


@pytest.mark.microphone
def test_the_microphone(
    sound_server: SoundServer, model_folder: Path, spoken: Path, detections: list[dict[str, Any]]
) -> None:
    script = (
        f"import kws, sys; found = kws.Spotter({str(model_folder)!r}).listen(device='room')\n"
        f"for _ in range({len(detections)}): print(next(found).keyword, flush=True)\n"
    )
    program = sound_server.run(sys.executable, "-c", script)
    sound_server.wait_until_recorded()
    sound_server.play(spoken)
    out, err = program.communicate(timeout=30)
    assert (out.split(), err) == ([one["keyword"] for one in detections], "")
