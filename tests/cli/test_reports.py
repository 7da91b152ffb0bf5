from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import soundfile

from kws.inference.model import read_description
from tests.cli.conftest import DEMO
from tests.support.program import error, kws


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The words of the demo, each a clip of its own of about a second, with the quiet around it."""
    folder = tmp_path_factory.mktemp("clips")
    sound, rate = soundfile.read(DEMO, dtype="float32")
    with DEMO.with_suffix(".tsv").open() as table:
        for number, row in enumerate(csv.DictReader(table, delimiter="\t")):
            start, end = (round(float(row[key]) * rate) for key in ("start", "end"))
            margin = round(0.3 * rate)
            path = folder / row["word"] / f"{number}.wav"
            path.parent.mkdir(exist_ok=True)
            soundfile.write(path, sound[start - margin : end + margin], rate)
    return folder


def test_clips_for_programs(model_folder: Path, clips: Path) -> None:
    result = kws("evaluate", "clips", clips, "--model", model_folder, "--json", "--mistakes")
    assert (result.returncode, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    labels = read_description(model_folder).labels
    assert report["labels"] == list(labels)
    assert report["clips"] == sum(map(sum, report["confusion"])) == 14
    right = sum(report["confusion"][i][i] for i in range(len(labels)))
    assert report["accuracy"] == right / 14
    assert report["accuracy"] > 0.8
    assert len(report["mistakes"]) == 14 - right
    assert report["recall"]["_unknown_"] is None
    assert report["recall"]["computer"] == 1


def test_clips_in_noise(model_folder: Path, clips: Path) -> None:
    asking = ("evaluate", "clips", clips, "--model", model_folder, "--json", "--under", clips, "--under-only", "stop")
    easy, hard = (json.loads(kws(*asking, "--snr", snr).stdout) for snr in ("30", "-30"))
    assert easy["accuracy"] > 0.8
    assert hard["accuracy"] < 0.3
    assert hard["clips"] == 14


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--snr", "5"), "name some with --under DIR"),
        (("--under", ".", "--snr", "90"), "--snr 90: between -60 and 60 decibels"),
        (("--under", "nowhere"), "nowhere: no such folder"),
    ],
)
def test_conditions_that_cannot_be(model_folder: Path, clips: Path, options: tuple[str, ...], message: str) -> None:
    result = kws("evaluate", "clips", clips, "--model", model_folder, *options)
    assert result.returncode == 2
    assert message in error(result, 2)


def test_clips_for_people(model_folder: Path, clips: Path, tmp_path: Path) -> None:
    odd = Path(shutil.copytree(clips, tmp_path / "odd [i] folder"))
    shutil.copytree(clips / "on", odd / "off", dirs_exist_ok=True)
    result = kws("evaluate", "clips", odd, "--model", model_folder, "--noise", clips / "on", "--mistakes")
    assert (result.returncode, result.stderr) == (0, "")
    table = {line.split()[0]: line.split() for line in result.stdout.splitlines() if line.strip()}
    assert table["said"][3:] == list(read_description(model_folder).labels)
    assert table["computer"][1:3] == ["1", "100.0%"]
    assert table["_silence_"][1] == "2"
    assert " ".join(table["accuracy"][2:]) == "of 18 clips"
    # "on" among the clips of "off" is heard for what it is.
    assert re.search(
        rf"^{re.escape(str(odd))}/off/1\.wav: off heard as on \([01]\.\d\d\)$", result.stdout, re.MULTILINE
    )


def test_clips_that_are_not_there(model_folder: Path, tmp_path: Path) -> None:
    command = ("evaluate", "clips", "--model", model_folder)
    assert error(kws(*command, tmp_path / "none"), 2) == f"{tmp_path}/none: no such folder"
    assert error(kws(*command, tmp_path), 2).startswith(f"{tmp_path}: no recordings in folders of words")


def test_bench_for_programs(model_folder: Path) -> None:
    result = kws("bench", "--model", model_folder, "--seconds", "2", "--runs", "1", "--json", "--hop", "0.1")
    assert (result.returncode, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert report["total"] == pytest.approx(sum(report["parts"].values()))
    assert (report["network"], report["threads"], report["hop"]) == ("model.tflite", 1, 0.1)
    assert report["interpreter"] in ("ai-edge-litert", "tflite-runtime", "tensorflow")


def test_bench_for_people(model_folder: Path) -> None:
    result = kws("bench", "--model", model_folder, "--seconds", "2", "--runs", "1")
    assert (result.returncode, result.stderr) == (0, "")
    for part in ("source", "resampling", "windows", "front-end", "network", "decision", "publishing", "in all"):
        assert re.search(rf"^  {part} +\d+\.\d{{3}} ms", result.stdout, re.MULTILINE)
    for figure in ("a recording is heard at ", "a window takes ", "memory"):
        assert figure in result.stdout


@pytest.mark.parametrize("options", [["--seconds", "nan"], ["--seconds", "1"], ["--seconds", "inf"], ["--runs", "0"]])
def test_bench_of_what_cannot_be(options: list[str]) -> None:
    assert error(kws("bench", *options), 2) == "--seconds must be from 2 to 3600 and --runs from 1 to 1000"
