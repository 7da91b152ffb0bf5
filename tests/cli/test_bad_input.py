"""Input that cannot be read gives one clear line on standard error and the exit code of the design, no traceback."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from kws.inference.model import read_description
from tests.support.program import environment, error, kws
from tests.support.sounds import encoded, tone


def no_file(path: Path) -> None:
    path.unlink(missing_ok=True)


def text(path: Path) -> None:
    path.write_text("This is a list of songs, not a song.\n" * 20)


def empty(path: Path) -> None:
    path.touch()


def no_sound(path: Path) -> None:
    soundfile.write(path, np.zeros(0), 16000)


def folder(path: Path) -> None:
    path.mkdir()


def header_only(path: Path) -> None:
    path.write_bytes(encoded(tone(440, 16000, 1), 16000)[:20])


def not_a_number(path: Path) -> None:
    sound = tone(440, 16000, 2)
    sound[24000] = np.nan
    soundfile.write(path, sound, 16000, subtype="FLOAT")


def infinite(path: Path) -> None:
    sound = tone(440, 16000, 2)
    sound[8000] = -np.inf
    soundfile.write(path, sound, 16000, subtype="FLOAT")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (no_file, "cannot read {}: No such file or directory"),
        (text, "{} is not a sound file (WAV, FLAC or Ogg)"),
        (empty, "{} is empty (0 bytes)"),
        (no_sound, "{} holds no sound"),
        (folder, "cannot read {}: Is a directory"),
        (header_only, "{} cannot be read: "),
        (not_a_number, "{}: the sample at 1.500 s is infinite or not a number"),
        (infinite, "{}: the sample at 0.500 s is infinite or not a number"),
    ],
)
def test_recordings_that_cannot_be_heard(
    model_folder: Path, tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    path = tmp_path / "sound.wav"
    make(path)
    found = error(kws("listen", path, "--model", model_folder), 1)
    assert found.startswith(message.format(path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_recording_that_may_not_be_read(model_folder: Path, spoken: Path, tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    shutil.copy(spoken, path)
    path.chmod(0)
    assert error(kws("listen", path, "--model", model_folder), 1) == f"cannot read {path}: Permission denied"


@pytest.mark.parametrize("samples", [1, 399, 15999])
def test_a_recording_of_hardly_anything_is_silence(model_folder: Path, tmp_path: Path, samples: int) -> None:
    path = tmp_path / "sound.wav"
    soundfile.write(path, np.zeros(samples), 16000)
    result = kws("listen", path, "--model", model_folder)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_wav_that_is_cut_short_is_heard_as_far_as_it_goes(
    model_folder: Path, spoken: Path, tmp_path: Path, detections: list[dict[str, Any]]
) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(spoken.read_bytes()[: 44 + 2 * 16000 * 5 // 2])
    result = kws("listen", path, "--model", model_folder)
    assert result.returncode == 0
    assert [json.loads(line)["keyword"] for line in result.stdout.splitlines()] == [
        one["keyword"] for one in detections if one["end"] < 2.5
    ]
    assert result.stderr == f"kws: {path} is cut short: it ends after 2.50 s, its header promises 6.00 s\n"


@pytest.mark.parametrize(
    ("data", "options", "code", "message"),
    [
        (b"", [], 1, "standard input ended before any sound came"),
        (b"", ["--rate", "16000"], 1, "standard input ended before any sound came"),
        (b"hello, world, this is no sound", [], 2, "--rate: is missing; standard input is not WAV"),
        (encoded(tone(440, 16000, 1), 16000, format="FLAC"), [], 1, "standard input is FLAC, which cannot be"),
        (np.array([0, np.nan] * 50, "<f4").tobytes(), ["--rate", "16000", "--sample-format", "f32le"], 1,
         "standard input: the sample at 0.000 s is infinite or not a number"),
        (bytes(100), ["--rate", "16000", "--sample-format", "u8"], 2, "--sample-format: must be one of \"s16le\","),
    ],
)  # fmt: skip
def test_pipes_that_cannot_be_heard(
    model_folder: Path, data: bytes, options: list[str], code: int, message: str
) -> None:
    found = error(kws("listen", "-", "--model", model_folder, *options, stdin=data), code)
    assert found.startswith(message)


def edit(model: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = model / "model.json"
    description = json.loads(path.read_text())
    change(description)
    path.write_text(json.dumps(description))


def missing_network(model: Path) -> None:
    (model / "model.tflite").unlink()


def missing_description(model: Path) -> None:
    (model / "model.json").unlink()


def altered_network(model: Path) -> None:
    with (model / "model.tflite").open("ab") as file:
        file.write(b"\0")


def one_label_more(model: Path) -> None:
    edit(model, lambda description: description["labels"].append("extra"))


def wrong_threshold(model: Path) -> None:
    edit(model, lambda description: description.update(decision={"decision": {"threshold": 7}}))


def rubbish(model: Path) -> None:
    import hashlib

    (model / "model.tflite").write_bytes(b"rubbish")
    edit(model, lambda d: d["sha256"].update({"model.tflite": hashlib.sha256(b"rubbish").hexdigest()}))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (missing_network, "{}/model.tflite: missing, though model.json names it"),
        (missing_description, "{}: no model here (model.json is missing)"),
        (altered_network, "{}/model.tflite: its SHA-256 is not the one in model.json: damaged or altered; install it"),
        (one_label_more, "{}/model.json: names {more} labels, but model.tflite has {outputs} outputs"),
        (wrong_threshold, "model {name}: decision.threshold: 7 is not within 0.01 to 1"),
        (rubbish, "{}/model.tflite: ai-edge-litert cannot load this network ("),
    ],
)
def test_models_that_cannot_be_used(
    model_folder: Path, spoken: Path, tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    model = Path(shutil.copytree(model_folder, tmp_path / "model"))
    description = read_description(model)
    name, outputs = description.name, len(description.labels)
    spoil(model)
    found = error(kws("listen", spoken, "--model", model), 1)
    assert found.startswith(message.format(model, outputs=outputs, more=outputs + 1, name=name))


def test_a_model_that_is_not_there(spoken: Path, tmp_path: Path) -> None:
    found = error(kws("listen", spoken, "--model", tmp_path / "none"), 2)
    assert found.startswith(f"{tmp_path}/none: no such model folder, and none of this name ships (")


def without(folder: Path, *modules: str, code: str = "") -> dict[str, str]:
    """An environment in which these modules are not installed."""
    lines = [f"sys.modules[{module!r}] = None" for module in modules]
    (folder / "sitecustomize.py").write_text("\n".join(["import sys", *lines, code]))
    return environment(folder)


def test_no_interpreter(model_folder: Path, spoken: Path, tmp_path: Path) -> None:
    env = without(tmp_path, "ai_edge_litert", "tflite_runtime", "tensorflow")
    command = ("listen", spoken, "--model", model_folder)
    assert error(kws(*command, env=env), 2) == "no TFLite interpreter: pip install ai-edge-litert"
    found = error(kws(*command, "--interpreter", "tflite-runtime", env=env), 2)
    assert found == "no TFLite interpreter: pip install tflite-runtime"


#: Neither PortAudio nor libsndfile's system library is found.
NO_LIBRARY = "import ctypes.util; ctypes.util.find_library = lambda name: None"


def test_no_portaudio(model_folder: Path, spoken: Path, tmp_path: Path) -> None:
    env = without(tmp_path, code=NO_LIBRARY)
    for command in (("devices",), ("listen", "--model", model_folder)):
        found = error(kws(*command, env=env), 1)
        assert found == ("microphones need PortAudio (Debian: apt install libportaudio2): PortAudio library not found")
    # What needs no microphone goes on without.
    assert kws("listen", spoken, "--model", model_folder, env=env).returncode == 0


def test_no_microphone(model_folder: Path, tmp_path: Path) -> None:
    env = environment(HOME=str(tmp_path), PULSE_SERVER=f"unix:{tmp_path}/none")
    listing = kws("devices", "--json", env=env)
    if listing.stdout != "[]\n":
        pytest.skip("needs a machine with PortAudio and without a microphone")
    message = "there is no microphone; plug one in, and check that this user may record (group audio)"
    assert error(kws("devices", env=env), 1) == message
    for options in ((), ("--device", "USB")):
        assert error(kws("listen", "--model", model_folder, *options, env=env), 1) == message
