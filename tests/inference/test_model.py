from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kws.inference.model
from kws.errors import ModelError, UsageError
from kws.features.front_end import LOG_MEL, FrontEnd
from kws.inference.model import Model, find_model, read_description
from kws.types import SILENCE, UNKNOWN

#: A description that is right, but for a network that is not there.
DESCRIPTION: dict[str, Any] = {
    "format": 1,
    "name": "test",
    "version": "1.0",
    "labels": [SILENCE, UNKNOWN, "on", "off"],
    "front_end": {
        "sample_rate": 16000, "window": 16000, "frame_length": 400, "frame_step": 160, "fft_length": 512,
        "mel_bins": 64, "mel_low": 60.0, "mel_high": 7600.0, "log_offset": 0.001, "image": [96, 64], "fit": "crop",
        "channels": 1,
    },
    "sha256": {"model.tflite": hashlib.sha256(b"network").hexdigest()},
}  # fmt: skip


def write(folder: Path, **changes: Any) -> Path:
    """A model folder with that description; a change of None leaves the key out."""
    folder.mkdir(exist_ok=True)
    (folder / "model.tflite").write_bytes(b"network")
    description = {key: value for key, value in (DESCRIPTION | changes).items() if value is not None}
    (folder / "model.json").write_text(json.dumps(description))
    return folder


@pytest.fixture
def copy(model_folder: Path, tmp_path: Path) -> Path:
    """The real model, to be spoilt."""
    return Path(shutil.copytree(model_folder, tmp_path / "copy"))


def change(folder: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "model.json"
    description = json.loads(path.read_text())
    edit(description)
    path.write_text(json.dumps(description))


def test_a_description_is_read(tmp_path: Path) -> None:
    description = read_description(write(tmp_path, decision={"keyword": {"on": {"threshold": 0.7}}}))
    assert description.front_end == LOG_MEL
    assert description.labels == (SILENCE, UNKNOWN, "on", "off")
    assert description.keywords == ("on", "off")
    assert description.decision == {"keyword": {"on": {"threshold": 0.7}}}


def test_a_front_end_may_leave_out_what_is_as_usual(tmp_path: Path) -> None:
    assert read_description(write(tmp_path, front_end={"channels": 3})).front_end == FrontEnd(channels=3)


LABELS = "labels must be _silence_, _unknown_ and at least one keyword, all distinct"


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", 2, "format 2; this version of kws reads format 1"),
        ("format", "1", "Expected `int`, got `str` - at `$.format`"),
        ("name", None, "Object missing required field `name`"),
        ("extra", 1, "Object contains unknown field `extra`"),
        ("labels", "on", "Expected `array`, got `str` - at `$.labels`"),
        ("labels", [SILENCE, UNKNOWN], LABELS),
        ("labels", [SILENCE, UNKNOWN, "on", "on"], LABELS),
        ("labels", ["on", SILENCE, UNKNOWN], LABELS),
        ("front_end", {"mel_bands": 64}, "Object contains unknown field `mel_bands` - at `$.front_end`"),
        ("front_end", {"fft_length": 256}, "front-end: fft_length 256 is shorter than frame_length 400"),
        ("front_end", {"image": [96]}, "Expected `array` of length 2 - at `$.front_end.image`"),
    ],
)
def test_a_description_that_is_wrong(tmp_path: Path, key: str, value: object, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_description(write(tmp_path, **{key: value}))
    assert str(caught.value) == f"{tmp_path}/model.json: {message}"


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'"\xff"', b"\xff\xfe", b"{'format': 1}"])
def test_a_description_that_is_no_json(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "model.json").write_bytes(data)
    with pytest.raises(ModelError) as caught:
        read_description(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/model.json: ")


def test_no_description(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    (tmp_path / "odd" / "model.json").mkdir(parents=True)
    for folder, message in (
        (tmp_path, f"{tmp_path}: no model here (model.json is missing)"),
        (file, f"{file}: not a model folder"),
        (tmp_path / "odd", f"{tmp_path}/odd/model.json: Is a directory"),
    ):
        with pytest.raises(ModelError) as caught:
            read_description(folder)
        assert str(caught.value) == message


def test_the_real_one_and_its_networks(model_folder: Path) -> None:
    sound = np.random.default_rng(4).standard_normal(16000, np.float32) * np.float32(0.01)
    answers = []
    for file in ("model.tflite", "model-float32.tflite"):
        model = Model(model_folder / file)
        assert model.path == model_folder / file
        answers.append(model.posteriors(model.front_end.spectrogram(sound)))
        assert answers[-1].shape == (len(model.labels),)
        assert answers[-1].sum() == pytest.approx(1, abs=0.03)
    assert Model(model_folder).path == model_folder / "model.tflite"
    assert model.labels[:2] == (SILENCE, UNKNOWN)
    assert {"yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", "computer", "jarvis"} <= {
        *model.description.keywords
    }
    assert model.description.licence


def test_a_network_that_is_missing(copy: Path) -> None:
    (copy / "model.tflite").unlink()
    with pytest.raises(ModelError) as caught:
        Model(copy)
    assert str(caught.value) == f"{copy}/model.tflite: missing, though model.json names it"


def test_a_network_that_was_altered(copy: Path) -> None:
    path = copy / "model.tflite"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelError) as caught:
        Model(copy)
    assert str(caught.value) == (
        f"{path}: its SHA-256 is not the one in model.json: damaged or altered; install it again"
    )


def test_a_network_that_is_cut_short(copy: Path) -> None:
    path = copy / "model.tflite"
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(ModelError, match=r"its SHA-256 is not the one in model\.json"):
        Model(path)


def test_a_network_that_model_json_does_not_name(copy: Path) -> None:
    shutil.copy(copy / "model.tflite", copy / "other.tflite")
    with pytest.raises(ModelError) as caught:
        Model(copy / "other.tflite")
    assert str(caught.value) == f"{copy}/model.json: has no sha256 for other.tflite"


def test_a_network_that_is_rubbish(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model\.tflite: .+ cannot load this network \(.+\)$"):
        Model(write(tmp_path))


@pytest.mark.parametrize("more", [True, False])
def test_labels_that_do_not_match_the_outputs(copy: Path, more: bool) -> None:
    count = len(read_description(copy).labels)
    edited = count + 1 if more else count - 1
    labels = [*read_description(copy).labels, "extra"] if more else read_description(copy).labels[:-1]
    change(copy, lambda d: d.update(labels=labels, decision={}))
    with pytest.raises(ModelError) as caught:
        Model(copy)
    assert str(caught.value) == f"{copy}/model.json: names {edited} labels, but model.tflite has {count} outputs"


def test_a_front_end_that_does_not_match_the_input(copy: Path) -> None:
    image = list(read_description(copy).front_end.shape)
    change(copy, lambda d: d["front_end"].update(image=[image[0] - 1, image[1]]))
    with pytest.raises(ModelError) as caught:
        Model(copy)
    assert str(caught.value) == (
        f"{copy}/model.json: the front-end makes images of {(image[0] - 1, *image[1:])}, "
        f"but model.tflite takes {tuple(image)}"
    )


class TestFindModel:
    """A checkout with one model, and where the program is run."""

    @pytest.fixture(autouse=True)
    def checkout(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        root = tmp_path / "checkout"
        (root / "kws").mkdir(parents=True)
        (root / "models").mkdir()
        (root / "models" / "no-model").mkdir()
        write(root / "models" / "commands")
        monkeypatch.setattr(kws.inference.model, "__file__", str(root / "kws" / "model.py"))
        here = tmp_path / "here"
        here.mkdir()
        monkeypatch.chdir(here)
        return root

    def test_by_name(self, checkout: Path) -> None:
        assert find_model("commands") == checkout / "models" / "commands"
        assert find_model("commands/model.tflite") == checkout / "models" / "commands" / "model.tflite"

    def test_installed_the_models_lie_in_the_package(self, checkout: Path) -> None:
        write_to = checkout / "kws" / "models"
        write_to.mkdir()
        write(write_to / "commands")
        assert find_model("commands") == write_to / "commands"

    def test_by_path(self) -> None:
        folder = write(Path("mine"))
        assert find_model("mine") == folder
        assert find_model("mine/model.tflite") == folder / "model.tflite"
        assert find_model(str(folder.resolve())) == folder.resolve()

    def test_a_model_goes_before_one_that_ships(self) -> None:
        folder = write(Path("commands"))
        assert find_model("commands") == folder

    def test_another_folder_of_that_name_does_not(self, checkout: Path) -> None:
        Path("commands").mkdir()
        assert find_model("commands") == checkout / "models" / "commands"
        assert find_model("commands/model.tflite") == checkout / "models" / "commands" / "model.tflite"

    def test_a_folder_that_holds_none_is_told_by_who_reads_it(self) -> None:
        Path("empty").mkdir()
        assert find_model("empty") == Path("empty")

    def test_there_is_none(self, checkout: Path) -> None:
        for name in ("nothing", "no-model", "commands/nothing.tflite"):
            with pytest.raises(UsageError) as caught:
                find_model(name)
            assert str(caught.value) == f"{name}: no such model folder, and none of this name ships (commands)"
        shutil.rmtree(checkout / "models")
        with pytest.raises(UsageError, match=r"ships \(none\)$"):
            find_model("commands")

    def test_a_name_that_no_file_can_have(self) -> None:
        with pytest.raises(ModelError, match="File name too long"):
            find_model("x" * 5000)
