"""Recordings in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws.corpus.clips import Recordings, load
from tests.support.tone_words import tone


def test_recordings_are_decoded_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([tone(500, 0.5, rate=48000), np.zeros(24000)], axis=1), 48000)
    recordings = load([path], what="words", cache=tmp_path / "cache")
    assert recordings.starts.tolist() == [0, 8000]
    assert recordings[0][1000:7000] == pytest.approx(tone(500, 0.5)[1000:7000] / 2, abs=2e-3)
    again = load([path], what="words", cache=tmp_path / "cache")
    assert np.array_equal(again.data, recordings.data)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_file_without_sound_is_empty(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    assert load([tmp_path / "text.wav"], what="words").starts.tolist() == [0, 0]


def test_recordings_are_joined_and_chosen() -> None:
    first = Recordings.of([np.array([1, 2], np.int16), np.array([3], np.int16)], [Path("a"), Path("b")])
    both = first + Recordings.of([np.array([4, 5], np.int16)], [Path("c")])
    assert [sound.tolist() for sound in both.sounds] == [[1, 2], [3], [4, 5]]
    chosen = both.where(np.array([False, True, True]))
    assert ([sound.tolist() for sound in chosen.sounds], chosen.paths) == ([[3], [4, 5]], [Path("b"), Path("c")])
    assert first + Recordings.none() is first
    assert len(both.where(np.zeros(3, bool))) == 0
