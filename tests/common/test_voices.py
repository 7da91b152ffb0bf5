"""Synthetic voices, with the real programs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from kws.common.voices import Voice, utterances, voices
from kws.errors import KwsError, UsageError

pytestmark = pytest.mark.skipif(
    not (shutil.which("espeak-ng") and shutil.which("flite")), reason="needs espeak-ng and flite"
)


@pytest.fixture(autouse=True)
def without_kokoro(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if "kokoro" not in request.node.name:
        monkeypatch.delenv("KWS_KOKORO", raising=False)
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


def named(name: str) -> Voice:
    return next(voice for voice in voices() if voice.name == name)


@pytest.mark.parametrize("name", ["espeak-en-us-f3", "flite-slt"])
def test_a_voice_says_a_word_at_any_speed(name: str) -> None:
    voice = named(name)
    slow, fast = (voice.say("good night", speed=speed) for speed in (0.7, 1.4))
    assert slow.dtype == np.float32
    assert 0.5 < len(fast) / 16000 < len(slow) / 16000 < 3.0
    assert 0.6 < np.abs(fast).max() < 0.8


def test_voices_differ_and_utterances_are_the_same_each_time() -> None:
    found = voices()
    assert len({voice.name for voice in found}) == len(found) > 90
    assert [voice.name for voice in found] == [voice.name for voice in voices()]
    once, again = (list(utterances("lamp", 3, among=found)) for _ in range(2))
    assert [voice.name for voice, _ in once] == [voice.name for voice in found[:3]]
    # To the last sample, but for the breath of some voices, which is random from espeak-ng 1.52 on.
    assert [(voice.name, len(sound)) for voice, sound in once] == [(voice.name, len(sound)) for voice, sound in again]
    np.testing.assert_array_equal(once[1][1], again[1][1])
    assert len({len(sound) for _, sound in once}) == 3


@pytest.mark.parametrize("name", ["espeak-en-us-f3", "flite-slt"])
def test_a_text_is_never_an_option_and_nothing_to_say_is_an_error(name: str) -> None:
    assert len(named(name).say("--version")) > 8000
    with pytest.raises(KwsError, match="'!' has no word"):
        named(name).say("!")


def test_without_voices_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        UsageError, match=f"install espeak-ng and flite .*kokoro-v1.0.onnx.* into {tmp_path}/kws/kokoro"
    ):
        voices()


def test_a_folder_for_kokoro_that_lacks_a_file_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KWS_KOKORO", str(tmp_path))
    with pytest.raises(UsageError, match=f"{tmp_path}: Kokoro needs"):
        voices()
    for name in ("kokoro-v1.0.onnx", "voices-v1.0.bin"):
        (tmp_path / name).write_bytes(b"nothing")
    with pytest.raises(UsageError, match=f"{tmp_path}.* Kokoro|{tmp_path}.*pip install kokoro-onnx"):
        voices()


@pytest.mark.skipif("KWS_KOKORO" not in os.environ, reason="needs Kokoro's model files in the folder KWS_KOKORO")
def test_kokoro_is_taken_where_it_is() -> None:
    found = voices()
    assert len(found) == 28
    assert 0.4 < len(found[0].say("lamp")) / 16000 < 2.0
