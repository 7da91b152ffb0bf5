from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from kws.enroll.word_file import WordFile, read_word, write_word
from kws.enroll.word_model import WordModel, with_words
from kws.errors import ModelError, UsageError
from kws.inference.model import Model, read_description
from tests.support import ROOT
from tests.support.toy_model import write_model

FOLDER = ROOT / "models" / "commands-small"


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(FOLDER)


def word_of(known: Model, name: str = "night", **changes: Any) -> WordFile:
    """A word file with a classifier drawn at random."""
    weights = np.random.default_rng(1).normal(0, 0.5, known.description.embedding).astype("<f4")
    sha256 = known.description.sha256["model.tflite"]
    settings = {"threshold": 0.6, "length": 0.7}
    word = WordFile(word=name, model=known.name, sha256=sha256, weights=weights.tobytes(), bias=-0.3, settings=settings)
    return msgspec.structs.replace(word, **changes)


@pytest.fixture
def path(model: Model, tmp_path: Path) -> Path:
    write_word(tmp_path / "night.json", word_of(model))
    return tmp_path / "night.json"


def test_a_word_file_reads_as_it_was_written(model: Model, path: Path) -> None:
    assert read_word(path) == word_of(model)


def test_a_model_with_words_says_the_same_of_its_own_labels(model: Model, path: Path) -> None:
    word = read_word(path)
    both = WordModel(model, [(path, word), (path, word_of(model, "morning"))])
    assert both.labels == (*model.labels, "night", "morning")
    assert both.description.enrolled == ("night", "morning")
    rng = np.random.default_rng(2)
    for _ in range(20):
        spectrogram = model.front_end.spectrogram(rng.normal(0, 0.1, 16000).astype(np.float32))
        posteriors = both.posteriors(spectrogram)
        assert posteriors.dtype == np.float32
        assert np.array_equal(posteriors[:-2], model.posteriors(spectrogram))
        _, embedding = model.embed(spectrogram)
        logit = float(np.float64(word.weight_vector) @ embedding - 0.3)
        assert posteriors[-2] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-4)


def test_the_settings_of_a_word_are_those_of_its_file(model: Model, path: Path) -> None:
    description = with_words(model.description, [(path, read_word(path))])
    assert description.decision["keyword"]["night"] == {"threshold": 0.6, "length": 0.7}
    assert description.decision["keyword"]["on"] == model.description.decision["keyword"]["on"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text[: len(text) // 2], "damaged, or no word file of kws enroll ("),
        (lambda _: "[]", "damaged, or no word file of kws enroll ("),
        (lambda _: "\x00\xff", "damaged, or no word file of kws enroll ("),
        (lambda text: text.replace('"format": 1', '"format": 2'), "format 2; this version of kws reads format 1"),
        (lambda text: text.replace('"bias": -0.3', '"bias": 1e999'), "damaged, or no word file of kws enroll ("),
        (
            lambda text: text.replace('"weights": "', '"weights": "AAAA'),
            "damaged: its classifier is not made of numbers",
        ),
        (lambda text: text.replace("0.6", "1.6"), "keyword.night.threshold: 1.6 is not within 0.01 to 1"),
        (lambda text: text.replace('"threshold"', '"treshold"'), "keyword.night: 'treshold' is not a"),
        (lambda text: text.replace('"word": "night"', '"word": " "'), "' ' cannot be the name of a word"),
        (
            lambda text: text.replace('"word": "night"', '"word": "_unknown_"'),
            "'_unknown_' cannot be the name",
        ),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(path: Path, change: Callable[[str], str], problem: str) -> None:
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="latin-1")
    with pytest.raises(UsageError) as caught:
        read_word(path)
    assert str(caught.value).startswith(f"{path}: {problem}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.json: No such file or directory$"):
        read_word(tmp_path / "none.json")


def test_words_that_a_model_cannot_hear(model: Model, path: Path, tmp_path: Path) -> None:
    again = "enroll 'night' again with --model commands-small"
    cases = {
        f"was enrolled with the model commands; {again}": word_of(model, model="commands", sha256="0" * 64),
        f"was enrolled with another version of commands-small; {again}": word_of(model, sha256="0" * 64),
        f"damaged: its classifier does not fit the model commands-small; {again}": word_of(model, weights=b"\0" * 8),
        "'on' is a keyword of the model already; enroll it under another name": word_of(model, "on"),
    }
    for problem, word in cases.items():
        with pytest.raises(UsageError) as caught:
            with_words(model.description, [(path, word)])
        assert str(caught.value) == f"{path}: {problem}"
    with pytest.raises(UsageError, match=r"'night' is the word of another file already; enroll it under another name$"):
        with_words(model.description, [(path, word_of(model)), (path, word_of(model))])
    tones = read_description(write_model(tmp_path / "tones"))
    with pytest.raises(ModelError, match=r"the model tones has no embedding, which enrolled words need$"):
        with_words(tones, [(path, word_of(model))])


def test_the_form_of_the_file(path: Path) -> None:
    """Other programs may read it: no sound is in it."""
    content = json.loads(path.read_text(encoding="utf-8"))
    names = "format word model sha256 weights bias settings lengths examples negatives report"
    assert list(content) == names.split()


def test_a_device_is_no_word_file() -> None:
    with pytest.raises(UsageError, match=r"^/dev/zero: is not a regular file$"):
        read_word(Path("/dev/zero"))
