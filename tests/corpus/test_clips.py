"""Recordings in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws.corpus.clips import load
from kws.errors import AudioError
from tests.support.tone_words import tone


def test_recordings_are_decoded_once_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([tone(500, 0.5, rate=48000), np.zeros(24000)], axis=1), 48000)
    recordings = load([path], what="words", cache=tmp_path / "cache")
    assert recordings.lengths.tolist() == [8000]
    assert recordings[0][1000:7000] == pytest.approx(tone(500, 0.5)[1000:7000] / 2, abs=2e-3)
    again = load([path], what="words", cache=tmp_path / "cache")
    assert np.array_equal(again.data, recordings.data)
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_file_without_sound_is_named(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(AudioError, match=r"text\.wav"):
        load([tmp_path / "text.wav"], what="words")
