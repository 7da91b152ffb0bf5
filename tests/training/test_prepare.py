"""From folders as people have them to labels and speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws.training.prepare import Folders, prepare
from kws.training.recipe import Recipe
from tests.support.tone_words import tone


def clips(folder: Path, count: int, pitch: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        soundfile.write(folder / f"anna_nohash_{i}.wav", tone(pitch + 10 * i, 0.3), 16000)


def test_one_speaker_is_enough_to_learn_from(tmp_path: Path) -> None:
    clips(tmp_path / "lights", 20, 300)
    clips(tmp_path / "music", 20, 700)
    clips(tmp_path / "unknown", 20, 1100)
    said: list[str] = []
    material, validation = prepare(Recipe(name="a", keywords=("lights", "music")), Folders([tmp_path]), said.append)
    assert np.bincount(material.labels).tolist() == [0, 18, 18, 18]
    assert np.bincount(validation.labels).tolist() == [0, 2, 2, 2]
    assert "only 1 speaker" in said[0]
    assert said[-1].startswith("54 words, 0.0 h of speech")


def test_noise_beside_the_words_is_noise(tmp_path: Path) -> None:
    clips(tmp_path / "lights", 2, 300)
    clips(tmp_path / "silence", 3, 50)
    material, _ = prepare(Recipe(name="a", keywords=("lights",)), Folders([tmp_path]), print)
    assert (len(material.words), len(material.noise)) == (2, 3)


@pytest.mark.parametrize(
    ("keyword", "folder", "kept"),
    [
        ("Lights", "lights", ["b", "c"]),
        ("hey jarvis", "Hey_Jarvis", ["a", "c"]),
        ("k\u00fcche", "Ku\u0308che", ["a", "b"]),
    ],
)
def test_keywords_are_found_in_folders_and_transcripts_however_they_are_spelled(
    tmp_path: Path, keyword: str, folder: str, kept: list[str]
) -> None:
    clips(tmp_path / "words" / folder, 2, 300)
    speech = tmp_path / "speech"
    speech.mkdir()
    for name in "abc":
        soundfile.write(speech / f"{name}.wav", tone(500, 1.0), 16000)
    text = "a TURN THE LIGHTS ON\nb HEY JARVIS GO AWAY\nc IN DER K\u00dcCHE\n"
    (speech / "all.trans.txt").write_text(text, encoding="utf-8")
    recipe = Recipe(name="a", keywords=(keyword,))
    material, _ = prepare(recipe, Folders([tmp_path / "words"], speech=[speech]), print)
    assert material.labels.tolist() == [2, 2]
    assert [path.stem for path in material.speech.paths] == kept
    assert material.sure.all()
