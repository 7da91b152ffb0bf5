from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws.audio.recordings import audio_files, read_audio
from kws.errors import AudioError, UsageError
from tests.support.sounds import amplitude, tone


def test_the_recordings_below_a_folder_in_order(tmp_path: Path) -> None:
    for name in ("b/2.wav", "b/10.FLAC", "a.ogg", "b/c/d.wav", "b/note.txt", "wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    names = [str(path.relative_to(tmp_path)) for path in audio_files(tmp_path)]
    assert names == ["a.ogg", "b/10.FLAC", "b/2.wav", "b/c/d.wav"]


def test_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("missing", "file"):
        with pytest.raises(UsageError) as caught:
            audio_files(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}: no such folder"


def test_what_has_16_khz_is_read_to_the_bit(tmp_path: Path) -> None:
    sound = tone(300, 16000, 2.5)
    soundfile.write(tmp_path / "a.wav", sound, 16000, subtype="FLOAT")
    assert np.array_equal(read_audio(tmp_path / "a.wav"), sound)


def test_another_rate_and_more_channels(tmp_path: Path) -> None:
    left, right = tone(440, 44100, 1), tone(1000, 44100, 1, 0.25)
    soundfile.write(tmp_path / "a.flac", np.stack((left, right), axis=1), 44100)
    sound = read_audio(tmp_path / "a.flac")
    assert sound.shape == (16000,)
    assert sound.dtype == np.float32
    assert amplitude(sound[2000:14000], 440, 16000) == pytest.approx(0.25, abs=1e-3)
    assert amplitude(sound[2000:14000], 1000, 16000) == pytest.approx(0.125, abs=1e-3)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("not a recording")
    with pytest.raises(AudioError, match=r"a\.wav is not a sound file"):
        read_audio(tmp_path / "a.wav")
