"""Reading folders of words, and who is held out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws.corpus.clips import is_validation, load, speaker_of, split_words
from kws.errors import AudioError, UsageError
from tests.support.tone_words import tone, write_words


def test_the_speaker_is_in_the_name() -> None:
    assert speaker_of(Path("on/004ae714_nohash_3.wav")) == "004ae714"
    assert speaker_of(Path("on/my recording.wav")) == "my recording"


def test_the_split_is_that_of_speech_commands() -> None:
    # A speaker of its training list and one of its validation list.
    assert is_validation("004ae714", 10) is False
    assert is_validation("026290a7", 10) is True
    share = np.mean([is_validation(f"speaker{i}", 10) for i in range(5000)])
    assert share == pytest.approx(0.1, abs=0.015)


def test_a_speaker_is_never_on_both_sides(tmp_path: Path) -> None:
    write_words(tmp_path, speakers=60)
    split = split_words([tmp_path], percent=20)
    assert set(split.train) == set(split.validation) == {"low", "high", "other"}
    train = {speaker_of(path) for paths in split.train.values() for path in paths}
    held_out = {speaker_of(path) for paths in split.validation.values() for path in paths}
    assert train.isdisjoint(held_out)
    assert len(train | held_out) == 60


def test_a_split_that_the_folder_brings_is_kept(tmp_path: Path) -> None:
    write_words(tmp_path / "train", speakers=3, seed=1)
    write_words(tmp_path / "validation", speakers=2, seed=2)
    split = split_words([tmp_path], percent=50)
    assert {word: len(paths) for word, paths in split.train.items()} == {"low": 3, "high": 3, "other": 3}
    assert {word: len(paths) for word, paths in split.validation.items()} == {"low": 2, "high": 2, "other": 2}


def test_the_same_content_on_both_sides_is_held_out(tmp_path: Path) -> None:
    write_words(tmp_path / "train", speakers=3, seed=1)
    write_words(tmp_path / "validation", speakers=2, seed=2)
    shutil.copy(tmp_path / "validation/low/speaker0_nohash_0.wav", tmp_path / "train/low/somebody_nohash_0.wav")
    split = split_words([tmp_path], percent=50)
    assert [path.name for path in split.train["low"]] == [f"speaker{i}_nohash_0.wav" for i in range(3)]


def test_recordings_are_decoded_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([tone(500, 0.5, rate=48000), np.zeros(24000)], axis=1), 48000)
    recordings = load([path], what="words", cache=tmp_path / "cache")
    assert recordings.lengths.tolist() == [8000]
    assert recordings[0][1000:7000] == pytest.approx(tone(500, 0.5)[1000:7000] / 2, abs=2e-3)
    again = load([path], what="words", cache=tmp_path / "cache")
    assert np.array_equal(again.data, recordings.data)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        split_words([tmp_path / "nowhere"], percent=10)
    with pytest.raises(UsageError, match="no clips in folders of words"):
        split_words([tmp_path], percent=10)
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(AudioError, match=r"text\.wav"):
        load([tmp_path / "text.wav"], what="words")
