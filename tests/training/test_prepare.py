"""From folders as people have them to labels and speech."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws.errors import UsageError
from kws.training.mixing import Mixer
from kws.training.prepare import Folders, prepare
from kws.training.recipe import Mix, Recipe
from kws.training.understood import Clips
from tests.support.tone_words import tone


def clips(folder: Path, count: int, pitch: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        soundfile.write(folder / f"anna_nohash_{i}.wav", tone(pitch + 10 * i, 0.3), 16000)


def test_one_speaker_is_enough_to_learn_from(tmp_path: Path) -> None:
    clips(tmp_path / "lights", 20, 300)
    clips(tmp_path / "music", 20, 700)
    clips(tmp_path / "unknown", 20, 1100)
    prepared = prepare(Recipe(name="a", keywords=("lights", "music")), Folders([tmp_path]))
    assert np.bincount(prepared.material.labels).tolist() == [0, 18, 18, 18]
    assert np.bincount(prepared.validation.labels).tolist() == [0, 2, 2, 2]
    understood = prepared.understood
    assert understood.keywords["lights"] == understood.other_words == Clips(18, 1, 2, 1)
    assert "only 1 speaker" in understood.notes[0]
    assert list(understood.lines())[:2] == [
        "lights       18 clips (1 speaker), 2 more held out (1 speaker)",
        "music        18 clips (1 speaker), 2 more held out (1 speaker)",
    ]


def test_noise_beside_the_words_is_noise(tmp_path: Path) -> None:
    clips(tmp_path / "lights", 2, 300)
    clips(tmp_path / "silence", 3, 50)
    material = prepare(Recipe(name="a", keywords=("lights",)), Folders([tmp_path])).material
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
    material = prepare(recipe, Folders([tmp_path / "words"], speech=[speech])).material
    assert material.labels.tolist() == [2, 2]
    assert [path.stem for path in material.speech.paths] == kept
    assert material.sure.all()


def test_what_is_useless_is_left_out_and_named(tmp_path: Path) -> None:
    clips(tmp_path / "lights", 6, 300)
    soundfile.write(tmp_path / "lights/silent.wav", np.zeros(16000), 16000)
    soundfile.write(tmp_path / "lights/empty.wav", np.zeros(0), 16000)
    (tmp_path / "lights/damaged.wav").write_bytes(b"RIFF")
    (tmp_path / "lights/._a.wav").write_bytes(b"a Mac wrote this")
    (tmp_path / "lights/b.m4a").write_bytes(b"")
    prepared = prepare(Recipe(name="a", keywords=("lights",)), Folders([tmp_path]))
    assert np.count_nonzero(prepared.material.labels) + np.count_nonzero(prepared.validation.labels) == 6
    notes = "\n".join(prepared.understood.notes)
    for part in ("damaged.wav", "silent.wav", "empty.wav", "1 hidden files", "1 .m4a; convert"):
        assert part in notes


@pytest.mark.usefixtures("decoded_once")
def test_negatives_that_come_with_kws_are_other_words_and_speech_and_a_fifth_is_held_out(tmp_path: Path) -> None:
    clips(tmp_path / "lights", 20, 300)
    prepared = prepare(Recipe(name="a", keywords=("lights",), negatives=True), Folders([tmp_path]))
    assert np.count_nonzero(prepared.material.labels == 1) > 450
    assert prepared.material.sure.all()
    assert len(prepared.material.speech) >= 45
    assert np.count_nonzero(prepared.validation.labels == 1) > 100
    assert prepared.understood.bank_words > 550
    text = "\n".join(prepared.understood.warnings)
    assert "few speakers" in text
    assert "no speech of people (--speech DIR)" in text


def test_without_any_negatives_the_warning_is_plain(tmp_path: Path) -> None:
    clips(tmp_path / "lights", 20, 300)
    warnings = prepare(Recipe(name="a", keywords=("lights",)), Folders([tmp_path])).understood.warnings
    assert "the model will take talk for keywords all the time" in "\n".join(warnings)
    assert "every word will be taken for a keyword" in "\n".join(warnings)


def phrase(folder: Path, *, pause: float, words: int = 2) -> None:
    folder.mkdir(parents=True)
    for i in range(10):
        parts = [part for _ in range(words) for part in (tone(300 + 9 * i, 0.5), np.zeros(int(pause * 16000)))]
        hiss = np.random.default_rng(i).standard_normal(3 * 8000) * 1e-4
        soundfile.write(folder / f"s{i}_nohash_0.wav", np.concatenate([hiss, *parts, hiss]), 16000)


def test_the_window_follows_phrases_and_so_does_the_number_of_windows(tmp_path: Path) -> None:
    phrase(tmp_path / "okay_lamp", pause=0.4)
    prepared = prepare(Recipe(name="a", keywords=("okay lamp",), front_end="log-mel-small"), Folders([tmp_path]))
    front_end = prepared.recipe.resolved_front_end
    assert (front_end.window, front_end.shape) == (28000, (85, 40, 1))
    assert prepared.understood.window_seconds == 1.75
    assert prepared.validation.windows.shape[1] == 28000
    assert prepared.recipe.optimiser.clips == 16_384
    again = Recipe(name="a", keywords=("okay lamp",), front_end="log-mel-small").as_fitted(prepared.recipe)
    assert again == prepared.recipe


def test_a_phrase_is_taught_as_a_whole(tmp_path: Path) -> None:
    phrase(tmp_path / "okay lamp", pause=0.3)
    plain = Mix(unknown=0, speech=0, silence=0, cut=0, fragment=0, neighbour=0, noise=0, room=0, speed=0)
    prepared = prepare(Recipe(name="a", keywords=("okay lamp",), mix=plain), Folders([tmp_path]))
    window = prepared.recipe.resolved_front_end.window
    mixer = Mixer(prepared.material, plain, labels=3, window=window, seed=1)
    for _ in range(50):
        example = mixer.draw()
        loud = np.flatnonzero(np.abs(example.window) > 0.3 * np.abs(example.window).max())
        assert (loud[-1] - loud[0]) / 16000 == pytest.approx(1.3, abs=0.05)


def test_a_phrase_that_is_too_long_is_refused_with_the_numbers(tmp_path: Path) -> None:
    phrase(tmp_path / "turn on all of the lights", pause=0.3, words=5)
    with pytest.raises(UsageError, match=r"takes 3\.7 s in half .* hears at most 3 s at once: choose a shorter phrase"):
        prepare(Recipe(name="a", keywords=("turn on all of the lights",)), Folders([tmp_path]))
