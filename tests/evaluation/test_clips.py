from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from kws.errors import AudioError, UsageError
from kws.evaluation.clips import ClipResult, evaluate_clips, labelled_clips, silences
from kws.features.front_end import FrontEnd
from kws.types import SILENCE, UNKNOWN, Float32Array
from tests.support.sounds import tone

LABELS = (SILENCE, UNKNOWN, "on", "off")


class Whistles:
    """Stands for a model: the loudest of 1 kHz ("on"), 3 kHz ("off"), anything else, and silence where all is faint."""

    labels = LABELS
    front_end = FrontEnd(frame_length=800, frame_step=800, fft_length=1024, mel_bins=0, log_offset=0, image=(20, 513))

    def posteriors(self, columns: Float32Array) -> Float32Array:
        loudness = columns.mean(axis=0)
        heard = {64: 2, 192: 3}.get(int(loudness.argmax()), 1) if loudness.max() > 5 else 0
        return np.where(np.arange(4) == heard, 0.775, 0.075).astype(np.float32)


def write(path: Path, hertz: float, seconds: float = 1.0, rate: int = 16000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(hertz, rate, seconds), rate)


def evaluate(folder: Path, **options: Any) -> ClipResult:
    model: Any = Whistles()
    return evaluate_clips(model, folder, **options)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    write(folder / "on" / "a.wav", 1000)
    write(folder / "on" / "b.flac", 1000, 0.4, 44100)
    write(folder / "on" / "c.wav", 3000)
    write(folder / "off" / "a.ogg", 3000, 3.0)
    write(folder / "dog" / "a.wav", 2000)
    write(folder / "cat" / "deep" / "a.wav", 1000)
    write(folder / "_background_noise_" / "hum.wav", 100, 10)
    write(folder / "stray.wav", 1000)
    return folder


def test_words_that_are_no_labels_are_unknown_and_what_lies_beside_the_words_is_not_asked(clips: Path) -> None:
    found = [(str(path.relative_to(clips)), LABELS[label]) for path, label in labelled_clips(clips, LABELS)]
    assert found == [
        ("cat/deep/a.wav", UNKNOWN),
        ("dog/a.wav", UNKNOWN),
        ("off/a.ogg", "off"),
        ("on/a.wav", "on"),
        ("on/b.flac", "on"),
        ("on/c.wav", "on"),
    ]


def test_of_a_split_only_what_is_held_out_is_asked(tmp_path: Path) -> None:
    write(tmp_path / "train/on/a.wav", 1000)
    write(tmp_path / "test/On/b.wav", 1100)
    write(tmp_path / "test/_silence_/c.wav", 100)
    found = [(path.name, LABELS[label]) for path, label in labelled_clips(tmp_path, LABELS)]
    assert sorted(found) == [("b.wav", "on"), ("c.wav", SILENCE)]


def test_of_a_training_run_the_clips_that_it_held_out_are_asked(tmp_path: Path) -> None:
    clip = tmp_path / "words/on/a.wav"
    write(clip, 1000)
    held_out = tmp_path / "run" / "held_out.json"
    held_out.parent.mkdir()
    held_out.write_text(json.dumps([["ON", str(clip)], ["dog", "gone.wav"]]))
    assert sorted(labelled_clips(tmp_path / "run", LABELS)) == [
        (clip, LABELS.index("on")),
        (Path("gone.wav"), LABELS.index(UNKNOWN)),
    ]
    held_out.write_text("[]")
    with pytest.raises(UsageError, match="held out no clips"):
        labelled_clips(tmp_path / "run", LABELS)


def test_what_was_said_and_what_was_heard(clips: Path) -> None:
    progress: list[tuple[int, int]] = []
    result = evaluate(clips, progress=lambda done, total: progress.append((done, total)))
    assert result.confusion.tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 2, 1], [0, 0, 0, 1]]
    assert result.clips == 6
    assert result.accuracy == 4 / 6
    assert [result.recall(i) for i in range(4)] == [None, 1 / 2, 2 / 3, 1]
    assert [mistake[:3] for mistake in result.mistakes] == [
        (str(clips / "cat/deep/a.wav"), UNKNOWN, "on"),
        (str(clips / "on/c.wav"), "on", "off"),
    ]
    assert [mistake[3] for mistake in result.mistakes] == pytest.approx([0.775, 0.775])
    assert sorted(result.worst()) == [(UNKNOWN, "on", 1), ("on", "off", 1)]
    assert progress == [(i, 6) for i in range(1, 7)]


def test_silence_is_cut_from_noise(clips: Path, tmp_path: Path) -> None:
    noise = tmp_path / "noise"
    write(noise / "tone.wav", 1000, 5)
    result = evaluate(clips, noise=[noise], silence_share=1.0)
    assert result.clips == 12
    assert result.confusion[0].sum() == 6
    assert result.confusion[0, [1, 3]].sum() == 0  # a faint whistle is silence, a loud one is "on"
    assert evaluate(clips, noise=[noise]).confusion[0].sum() == 1
    assert np.array_equal(evaluate(clips, noise=[noise], silence_share=1.0).confusion, result.confusion)


def test_seconds_of_silence_are_the_same_each_time(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", 500, 3)
    write(tmp_path / "b.wav", 700, 0.5)
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    first, again = (list(silences(paths, 10, window=16000)) for _ in range(2))
    other = list(silences(paths, 10, window=16000, seed=1))
    assert [name for name, _ in first] == [name for name, _ in again]
    assert [name for name, _ in first] != [name for name, _ in other]
    for (_, one), (_, two) in zip(first, again, strict=True):
        assert np.array_equal(one, two)
        assert one.shape == (16000,)
        assert np.abs(one).max() <= 0.51
    assert sum("a.wav" in name for name, _ in first) == 5


def test_folders_that_hold_nothing(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", 500)
    with pytest.raises(UsageError, match="no recordings in folders of words"):
        evaluate(tmp_path)
    with pytest.raises(UsageError, match="none: no such folder"):
        evaluate(tmp_path / "none")
    write(tmp_path / "on" / "a.wav", 500)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty: no recordings of noise"):
        evaluate(tmp_path, noise=[tmp_path / "on", tmp_path / "empty"])


def test_a_clip_that_cannot_be_read_is_named(clips: Path) -> None:
    (clips / "on" / "b.wav").write_text("no sound")
    with pytest.raises(AudioError, match=r"on/b\.wav is not a sound file"):
        evaluate(clips)
