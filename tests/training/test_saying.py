"""Words that synthetic voices say, as a folder of words."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import soundfile

from kws.corpus.word_folders import split_words
from kws.training import saying

pytestmark = pytest.mark.skipif(not shutil.which("espeak-ng"), reason="needs espeak-ng")


def test_each_word_becomes_a_folder_of_voices_and_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saying, "_UTTERANCES", 12)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    said: list[str] = []
    saying.say_words(["good night", "lamp"], tmp_path / "said", said.append)
    assert [line.split(" by ")[0] for line in said] == ["12 utterances of 'good night'", "12 utterances of 'lamp'"]
    files = sorted((tmp_path / "said" / "good night").iterdir())
    assert len(files) == 12
    assert all(0.3 < soundfile.info(file).duration < 3.0 for file in files)
    split = split_words([tmp_path / "said"], percent=10.0)
    assert set(split.train) == {"good night", "lamp"}
    assert split.validation["lamp"]  # whole voices
    saying.say_words(["good night", "lamp"], tmp_path / "said", said.append)
    assert len(said) == 2
