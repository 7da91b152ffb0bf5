from __future__ import annotations

import csv
import json
import re
import shlex
import signal
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from kws import DEFAULT_MODEL
from kws.inference.model import read_description
from kws.types import Float32Array
from tests.cli.conftest import DEMO, Listen
from tests.support.program import COMMAND, environment, error, kws, lines, start

Detections = list[dict[str, Any]]


def keywords(detections: Detections) -> list[str]:
    return [detection["keyword"] for detection in detections]


def assert_same(found: Detections, expected: Detections, *, within: float = 0.101) -> None:
    """The same keywords at the same moments, two hops more or less where the sound was changed on its way."""
    assert keywords(found) == keywords(expected)
    for one, other in zip(found, expected, strict=True):
        assert one["end"] == pytest.approx(other["end"], abs=within)


def windows(model_folder: Path, seconds: float) -> list[float]:
    """When the windows of so much sound end, at the model's own hop."""
    hop = read_description(model_folder).decision["decision"]["hop"]
    ends: list[float] = np.arange(0, seconds + 1e-6, hop).tolist()
    return ends


def pcm(samples: Float32Array) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


@pytest.mark.parametrize("file", ["model.tflite", "model-float32.tflite"])
@pytest.mark.parametrize("name", ["under test", DEFAULT_MODEL])
def test_every_word_of_the_demo_is_heard_once(model_folder: Path, name: str, file: str) -> None:
    model = f"{name}/{file}" if name == DEFAULT_MODEL else model_folder / file
    found = lines(kws("listen", "--demo", "--model", model))
    with DEMO.with_suffix(".tsv").open() as table:
        said = [(row["word"], float(row["start"]), float(row["end"])) for row in csv.DictReader(table, delimiter="\t")]
    assert keywords(found) == [word for word, _, _ in said]
    for detection, (_, first, last) in zip(found, said, strict=True):
        assert first < detection["end"] < last + 0.7
        assert detection["start"] == pytest.approx(first, abs=0.5)


def test_a_detection_says_what_the_design_promises(detections: Detections, model_folder: Path) -> None:
    description = read_description(model_folder)
    for detection in detections:
        assert list(detection) == ["keyword", "score", "start", "end", "time", "model"]
        assert detection["keyword"] in description.keywords
        assert 0 < detection["score"] <= 1
        assert 0 <= detection["start"] < detection["end"] <= 7
        assert min(abs(detection["end"] - end) for end in windows(model_folder, 7)) < 1e-6
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", detection["time"])
        age = datetime.now(UTC) - datetime.fromisoformat(detection["time"])
        assert 0 <= age.total_seconds() < 600
        assert detection["model"] == description.name


def test_the_formats(model_folder: Path, spoken: Path, detections: Detections) -> None:
    tsv = kws("listen", spoken, "--model", model_folder, "--format", "tsv")
    assert (tsv.returncode, tsv.stderr) == (0, "")
    rows = [row.split("\t") for row in tsv.stdout.splitlines()]
    assert [(row[0], float(row[1]), float(row[2]), float(row[3])) for row in rows] == [
        (one["keyword"], one["score"], one["start"], one["end"]) for one in detections
    ]
    assert {len(row) for row in rows} == {8}
    text = kws("listen", spoken, "--model", model_folder, "--format", "text")
    assert text.stdout.splitlines() == [
        f"{one['end']:8.2f} s  {one['keyword']}  {one['score']:.0%}" for one in detections
    ]


@pytest.mark.parametrize(
    ("rate", "channels", "subtype"), [(96000, 6, "PCM_24"), (16000, 1, "PCM_U8"), (44100, 2, "FLOAT")]
)
def test_files_of_any_kind(  # noqa: PLR0917
    listen: Listen, tmp_path: Path, speech: Float32Array, detections: Detections, rate: int, channels: int, subtype: str
) -> None:
    sound = soxr.resample(speech, 16000, rate)
    if subtype == "PCM_U8":
        sound *= 0.9 / np.abs(sound).max()  # 8 bits have a noise that would drown what is faint
    path = tmp_path / "sound.wav"
    soundfile.write(path, np.repeat(sound[:, None], channels, axis=1), rate, subtype=subtype)
    assert_same(listen(path), detections)


def test_flac_and_ogg(listen: Listen, tmp_path: Path, speech: Float32Array, detections: Detections) -> None:
    for name in ("sound.flac", "sound.ogg"):
        soundfile.write(tmp_path / name, speech, 16000)
        assert_same(listen(tmp_path / name), detections)


def test_a_channel_of_several(listen: Listen, tmp_path: Path, speech: Float32Array, detections: Detections) -> None:
    noise = np.random.default_rng(1).standard_normal(len(speech), np.float32) * np.float32(0.2)
    soundfile.write(tmp_path / "sound.wav", np.stack((noise, speech), axis=1), 16000)
    assert_same(listen(tmp_path / "sound.wav", "--channel", "2"), detections)


def test_a_pipe_of_wav(listen: Listen, spoken: Path, detections: Detections) -> None:
    found = listen("-", stdin=spoken.read_bytes())
    assert [(one["keyword"], one["end"], one["score"]) for one in found] == [
        (one["keyword"], one["end"], one["score"]) for one in detections
    ]


def test_a_word_that_is_all_of_a_recording(listen: Listen, speech: Float32Array, tmp_path: Path) -> None:
    path = tmp_path / "computer.wav"
    soundfile.write(path, speech[16000 : round(1.76 * 16000)], 16000)
    assert keywords(listen(path)) == ["computer"]


def test_a_raw_pipe_at_44100_hz_in_stereo(listen: Listen, speech: Float32Array, detections: Detections) -> None:
    sound = soxr.resample(speech, 16000, 44100)
    raw = pcm(np.stack((sound, sound), axis=1))
    assert_same(listen("-", "--rate", "44100", "--channels", "2", stdin=raw), detections)


def test_raw_floats(listen: Listen, speech: Float32Array, detections: Detections) -> None:
    raw = speech.astype("<f4").tobytes()
    assert_same(listen("-", "--rate", "16000", "--sample-format", "f32le", stdin=raw), detections, within=0.001)


def test_a_line_comes_when_the_word_was_said_and_not_at_the_end(
    model_folder: Path, speech: Float32Array, detections: Detections
) -> None:
    program = start("listen", "-", "--rate", "16000", "--model", model_folder)
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.write(pcm(speech))
    program.stdin.flush()
    assert json.loads(program.stdout.readline())["keyword"] == detections[0]["keyword"]
    program.send_signal(signal.SIGINT)  # while it waits for more
    out, err = program.communicate(timeout=30)
    assert (program.returncode, err) == (130, b"")
    assert len(out.splitlines()) < len(detections)


def test_a_reader_that_goes_away(model_folder: Path, speech: Float32Array) -> None:
    program = start("listen", "-", "--rate", "16000", "--model", model_folder)
    assert program.stdin is not None
    assert program.stdout is not None
    assert program.stderr is not None
    program.stdin.write(pcm(speech))
    program.stdin.flush()
    program.stdout.readline()
    program.stdout.close()
    with suppress(BrokenPipeError):
        program.stdin.write(pcm(np.tile(speech, 2)))
    with suppress(BrokenPipeError):
        program.stdin.close()
    assert program.stderr.read() == b""
    assert program.wait(timeout=30) == 0
    program.stderr.close()


def test_head_takes_one_line(model_folder: Path, spoken: Path, detections: Detections) -> None:
    command = shlex.join([*COMMAND, "listen", str(spoken), "--model", str(model_folder)])
    result = subprocess.run(
        ["sh", "-c", f"{command} | head -1"], check=True, capture_output=True, text=True, env=environment()
    )
    assert [json.loads(line)["keyword"] for line in result.stdout.splitlines()] == keywords(detections)[:1]
    assert result.stderr == ""


def test_scores_as_json_lines(model_folder: Path, spoken: Path, tmp_path: Path, detections: Detections) -> None:
    path = tmp_path / "scores.jsonl"
    assert lines(kws("listen", spoken, "--model", model_folder, "--scores", path))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    # Six seconds and the second of silence after them, each window once.
    assert [row["end"] for row in rows] == pytest.approx(windows(model_folder, 7))
    labels = read_description(model_folder).labels
    for row in rows:
        assert list(row) == ["end", "level", *labels]
        assert sum(row[label] for label in labels) == pytest.approx(1, abs=0.03)
        assert -120 <= row["level"] < 0
    [fired] = [row for row in rows if row["end"] == detections[0]["end"]]
    assert max(labels, key=fired.__getitem__) == detections[0]["keyword"]


def test_scores_as_a_table_and_on_standard_error(model_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, np.zeros(800), 16000)
    table = tmp_path / "scores.csv"
    assert lines(kws("listen", path, "--model", model_folder, "--scores", table)) == []
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["end"]) for row in rows] == pytest.approx(windows(model_folder, 1.05))
    assert list(rows[0]) == ["end", "level", *read_description(model_folder).labels]
    result = kws("listen", path, "--model", model_folder, "--scores", "-")
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == len(rows)


def test_near_misses_are_told_to_who_asks(model_folder: Path, spoken: Path, detections: Detections) -> None:
    first = detections[0]
    # Just out of reach for the word that was heard, so that it comes near.
    threshold = min(1.0, first["score"] + 0.02)
    arguments = ("listen", spoken, "--model", model_folder, "--threshold", f"{first['keyword']}={threshold}", "-v")
    result = kws(*arguments, "--smoothing", "0.3", "--patience", "100")
    assert (result.returncode, result.stdout) == (0, "")
    near = [line for line in result.stderr.splitlines() if f": {first['keyword']} came to" in line]
    pattern = rf"kws: \d+\.\d\d s: \w+ came to [01]\.\d\d of {threshold:.2f} and did not fire: [a-z ]+"
    assert near
    assert all(re.fullmatch(pattern, line) for line in near)
    assert kws(*arguments[:-1], "--patience", "100").stderr == ""


def test_the_thresholds_of_the_command_line(listen: Listen, spoken: Path, detections: Detections) -> None:
    first = detections[0]["keyword"]
    others = [one for one in keywords(detections) if one != first]
    assert keywords(listen(spoken, "--threshold", f"{first}=1")) == others
    assert listen(spoken, "--threshold", "1") == []


def test_a_wake_word_from_a_file_of_settings(
    model_folder: Path, listen: Listen, spoken: Path, tmp_path: Path, detections: Detections
) -> None:
    first, *rest = keywords(detections)
    path = tmp_path / "kws.toml"
    path.write_text(f'[gate]\nwake_words = ["{first}"]\nseconds = 60\n')
    found = listen(spoken, "--settings", path)
    assert [(one["keyword"], one.get("wake")) for one in found] == [(first, None), *((word, first) for word in rest)]
    assert keywords(listen(spoken, "--settings", path, "--wake-seconds", "0.1")) == [first]
    result = kws("listen", spoken, "--settings", path, "--model", model_folder, "--format", "text")
    assert result.stdout.splitlines()[1].endswith(f"  after {first}")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--threads", "0"], "--threads: must be a whole number from 1 to 256, not 0"),
        (["--hop", "0.033"], "a hop of 0.033 s is no multiple of the front-end's step of {step:g} s; the nearest are"),
        (["--threshold", "high"], '--threshold: must be a number, not "high"'),
        (["--threshold", "nan"], "--threshold: nan is not within 0.01 to 1"),
        (["--threshold", "banana=0.5"], "--threshold: 'banana' is not a keyword of this model"),
        (["--channel", "0"], "--channel: must be a whole number from 1 to 1024, not 0"),
        (["--channel", "3"], "--channel: {spoken} has only one channel, there is no channel 3"),
        (["--device", "USB"], "--device: names a microphone, but the sound comes from {spoken}; leave out one of them"),
        (["--channels", "2"], "--rate: is missing; headerless sound needs its samples per second"),
        (["--rate", "16000"], "--rate: {spoken} is WAV, not headerless; leave out rate, channels and sample_format"),
        (["--settings", "{tmp}/none.toml"], "{tmp}/none.toml: No such file or directory"),
        (["--settings", "{spoken}"], "{spoken}: "),
        (["--settings", "{tmp}/wrong.toml"], "{tmp}/wrong.toml: decision: 'treshold' is not a setting; did you mean"),
        (["--scores", "{tmp}/none/scores"], "--scores {tmp}/none/scores: No such file or directory"),
        (["--interpreter", "onnx"], '--interpreter: must be one of "ai-edge-litert", "tflite-runtime", "tens'),
        (["--demo"], "--demo is a recording of its own; leave out {spoken}"),
    ],
)  # fmt: skip
def test_options_that_cannot_be(
    model_folder: Path, spoken: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    (tmp_path / "wrong.toml").write_text("[decision]\ntreshold = 0.5\n")
    filled = [argument.format(tmp=tmp_path, spoken=spoken) for argument in arguments]
    found = error(kws("listen", spoken, "--model", model_folder, *filled), 2)
    front_end = read_description(model_folder).front_end
    step = front_end.frame_step / front_end.sample_rate
    assert found.startswith(message.format(tmp=tmp_path, spoken=spoken, step=step))
