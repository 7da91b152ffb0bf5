"""Folders of words: how they are understood, and who is held out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws.corpus.word_folders import fold, is_validation, speaker_of, split_words
from kws.errors import UsageError
from kws.types import UNKNOWN
from tests.support.tone_words import tone, write_words


def clips(folder: Path, count: int, name: str = "anna_nohash_{}.wav") -> None:
    """Different clips of one word."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        pitch = 200 + 10 * i + sum(folder.parts[-1].encode()) % 97
        soundfile.write(folder / name.format(i), tone(pitch, 0.2), 16000)


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


@pytest.mark.parametrize("speaker", ["anna", "ben", "clip"])
def test_with_few_speakers_clips_are_held_out(tmp_path: Path, speaker: str) -> None:
    for word, count in (("lights", 30), ("music", 30), ("door", 1)):
        clips(tmp_path / word, count, speaker + "_nohash_{}.wav")
    split = split_words([tmp_path], percent=10)
    assert {word: len(paths) for word, paths in split.train.items()} == {"lights": 27, "music": 27, "door": 1}
    assert {word: len(paths) for word, paths in split.validation.items()} == {"lights": 3, "music": 3}
    assert "only 1 speaker, so clips are held out" in split.notes[0]


def test_a_word_is_never_held_out_as_a_whole(tmp_path: Path) -> None:
    write_words(tmp_path, speakers=20)
    clips(tmp_path / "door", 1, "anna_nohash_{}.wav")
    assert is_validation("anna", 10)
    split = split_words([tmp_path], percent=10)
    assert len(split.train["door"]) == 1
    assert "door" not in split.validation
    assert any("'door'" in note for note in split.notes)


def test_a_lone_train_folder_is_split_and_a_test_folder_is_held_out(tmp_path: Path) -> None:
    write_words(tmp_path / "train", speakers=30, seed=1)
    alone = split_words([tmp_path], percent=20)
    assert set(alone.train) == set(alone.validation) == {"low", "high", "other"}
    write_words(tmp_path / "test", speakers=2, seed=2)
    split = split_words([tmp_path], percent=20)
    assert {word: len(paths) for word, paths in split.train.items()} == {"low": 30, "high": 30, "other": 30}
    assert {len(paths) for paths in split.validation.values()} == {2}
    shutil.rmtree(tmp_path / "train")
    assert {len(paths) for paths in split_words([tmp_path], percent=0).train.values()} == {2}


def test_the_folders_of_precise_are_understood(tmp_path: Path) -> None:
    for part, count in (("", 20), ("test", 3)):
        clips(tmp_path / part / "wake-word", count, part + "{}.wav")
        clips(tmp_path / part / "not-wake-word", count, part + "{}.wav")
    soundfile.write(tmp_path / "test/wake-word/new.wav", tone(3000, 0.2), 16000)
    soundfile.write(tmp_path / "test/not-wake-word/new.wav", tone(3100, 0.2), 16000)
    split = split_words([tmp_path], percent=10)
    assert set(split.train) == set(split.validation) == {"wake-word", UNKNOWN}
    assert all("test" in path.parts for paths in split.validation.values() for path in paths)
    assert not any("test" in path.relative_to(tmp_path).parts for paths in split.train.values() for path in paths)


def test_noise_and_unknown_words_are_known_by_the_names_of_their_folders(tmp_path: Path) -> None:
    for name in ("lights", "unknown", "silence", "background_noise", "_background_noise_", "_other_"):
        clips(tmp_path / name, 2)
    split = split_words([tmp_path], percent=0)
    assert set(split.train) == {"lights", UNKNOWN}
    assert [path.name for path in split.noise] == ["_background_noise_", "background_noise", "silence"]


def test_files_of_a_mac_and_of_a_telephone_are_skipped(tmp_path: Path) -> None:
    clips(tmp_path / "lights", 2)
    (tmp_path / "lights/._anna_nohash_0.wav").write_bytes(b"\0\5\x16\7")
    (tmp_path / "lights/.DS_Store").write_bytes(b"")
    (tmp_path / "lights/memo.m4a").write_bytes(b"")
    split = split_words([tmp_path], percent=0)
    assert len(split.train["lights"]) == 2
    assert "skipped 1 .m4a; convert them to WAV first" in split.notes[0]
    for path in tmp_path.glob("lights/*.wav"):
        path.unlink()
    with pytest.raises(UsageError, match=r"no recordings in folders of words .*1 \.m4a"):
        split_words([tmp_path], percent=0)


def test_words_are_the_same_in_capitals_and_in_decomposed_unicode(tmp_path: Path) -> None:
    for name in ("Ku\u0308che", "k\u00fcche", "Lights", "lights"):
        clips(tmp_path / name, 2, name.encode().hex() + "_nohash_{}.wav")
    split = split_words([tmp_path], percent=0)
    assert {word: len(paths) for word, paths in split.train.items()} == {"K\u00fcche": 2 + 2, "Lights": 2 + 2}
    assert fold("Hey_Jarvis") == fold("HEY  JARVIS") == fold("hey-jarvis") == "hey jarvis"


def test_folders_without_words_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        split_words([tmp_path / "nowhere"], percent=10)
    with pytest.raises(UsageError, match="no recordings in folders of words"):
        split_words([tmp_path], percent=10)
