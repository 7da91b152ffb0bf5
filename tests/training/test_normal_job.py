"""The normal job: a folder of a few recordings becomes a model, as docs/training.md shows it, with synthetic voices."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import soundfile

from kws.common.voices import utterances, voices
from tests.support.training import kws

pytest.importorskip("tensorflow", reason="training needs the extra 'train'")
pytestmark = [
    pytest.mark.training,
    pytest.mark.skipif(not shutil.which("espeak-ng"), reason="needs espeak-ng"),
]


def test_from_recordings_to_a_model_that_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    for word in ("marmalade", "okay lamp"):
        (tmp_path / "words" / word).mkdir(parents=True)
        for number, (voice, sound) in enumerate(utterances(word, 12, among=voices()[:12])):
            soundfile.write(tmp_path / "words" / word / f"{voice.name}_nohash_{number}.wav", sound, 16000)
    (tmp_path / "words/okay lamp/broken.wav").write_bytes(b"RIFF")
    run, model = tmp_path / "run", tmp_path / "model"
    # So few windows show that everything fits together, in seconds; they do not teach the words.
    done = kws("train", "--data", tmp_path / "words", "--run", run, "--export", model, "--clips", 640, "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    understood, result = events[0]["understood"], events[-1]["result"]
    assert (understood["start"], understood["bank"]) == ("commands", True)
    found = understood["keywords"]["marmalade"]
    assert (found["clips"] + found["held_out_clips"], found["held_out_clips"] > 0) == (12, True)
    assert "broken.wav" in " ".join(understood["notes"])
    assert any("speakers" in warning or "recordings" in warning for warning in understood["warnings"])
    assert [list(event) for event in events[1:-1]] == [["expected"], *[["progress"]] * (len(events) - 3)]
    assert result["of"]["marmalade"] == found["held_out_clips"]
    assert result["of_others"] > 100
    for line in ("marmalade    ", "warning: ", "Converting to int8", f"Wrote {model}"):
        assert line in done.stderr
    measured = json.loads(kws("evaluate", "clips", run, "--model", model, "--json").stdout)
    assert measured["clips"] == sum(result["of"].values())
    assert measured["false_accepts"] <= 20
    assert measured["negative_seconds"] > 100
