from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from kws.audio.file import FileSource
from kws.audio.microphone import Microphone
from kws.audio.open import open_source
from kws.audio.pipe import PipeSource
from kws.errors import AudioError, OptionError
from tests.support.sounds import descriptor, encoded, read, tone

TONE = tone(440, 16000, 0.5)


def test_nothing_is_the_microphone() -> None:
    source = open_source(device="USB", channel=1, rate=48000)
    assert isinstance(source, Microphone)
    assert source.name == "USB"
    assert source.live
    assert open_source().name == "the default microphone"


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    with descriptor(encoded(TONE, 16000)) as stream:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(fileno=lambda: stream))
        source = open_source("-")
        assert isinstance(source, PipeSource)
        assert source.name == "standard input"
        assert len(read(source)) == len(TONE)
    with descriptor(encoded(TONE, 16000, format="RAW", subtype="PCM_16")) as headerless:
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(fileno=lambda: headerless))
        assert len(read(open_source("-", rate=16000, channels=2))) == len(TONE) // 2
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(AudioError, match="there is no standard input"):
        open_source("-")


def test_a_path_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "sound.flac"
    path.write_bytes(encoded(np.stack((TONE, 0 * TONE), axis=1), 16000, format="FLAC"))
    source = open_source(str(path), channel=2)
    assert isinstance(source, FileSource)
    assert not read(source).any()
    assert isinstance(open_source("no such file"), FileSource)


def test_a_headerless_file(tmp_path: Path) -> None:
    path = tmp_path / "sound.pcm"
    path.write_bytes(encoded(TONE, 16000, format="RAW", subtype="FLOAT"))
    source = open_source(str(path), rate=16000, sample_format="f32le")
    assert source.name == str(path)
    np.testing.assert_array_equal(read(source), TONE)
    with pytest.raises(OptionError, match=r"^rate: is missing"):
        open_source(str(path), sample_format="f32le")


def test_a_fifo_is_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(encoded(TONE, 16000),))
    writer.start()
    source = open_source(str(path))
    assert len(read(source)) == len(TONE)
    assert source.live
    assert source.name == str(path)
    writer.join()


def test_options_that_do_not_go_together() -> None:
    with pytest.raises(OptionError, match=r"^channels: describes headerless sound, not a microphone"):
        open_source(channels=2)
    with pytest.raises(OptionError, match=r"^sample_format: describes headerless sound, not a microphone"):
        open_source(sample_format="s16le")
    with pytest.raises(OptionError, match=r"^device: .* the sound comes from x\.wav"):
        open_source("x.wav", device="USB")


@pytest.mark.process
def test_importing_loads_no_library() -> None:
    script = "import sys, kws.audio.open; print({'sounddevice', 'soundfile', 'soxr'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"
