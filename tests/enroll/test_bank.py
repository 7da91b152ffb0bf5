from __future__ import annotations

import shutil
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from kws.enroll.bank import BANK_FILE, Bank, quantised, read_bank, restored, write_bank
from kws.errors import ModelError, UsageError
from kws.inference.model import Model
from tests.support import ROOT
from tests.support.toy_model import write_model

FOLDER = ROOT / "models" / "commands-small"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A model folder of which the test may change the bank."""
    return Path(shutil.copytree(FOLDER, tmp_path / "commands-small"))


@pytest.mark.parametrize("name", ["commands", "commands-small"])
def test_the_models_that_ship_have_a_bank(name: str) -> None:
    model = Model(ROOT / "models" / name)
    bank = read_bank(model)
    assert bank.hours > 0.5
    assert len(bank.words) == len(bank.labels) > 1000
    assert len(bank.speech) == len(bank.unknown) == len(bank.levels) == len(bank.fresh)
    assert set(model.description.keywords) <= set(bank.labels.tolist())
    assert (model.path.parent / BANK_FILE).stat().st_size < 4e6


def test_a_bank_reads_as_it_was_written(copy: Path) -> None:
    model = Model(copy)
    bank = read_bank(model)
    write_bank(copy / BANK_FILE, bank)
    again = read_bank(model)
    assert all(np.array_equal(getattr(bank, field.name), getattr(again, field.name)) for field in fields(Bank))


def test_features_are_centred_embeddings_along_the_axes() -> None:
    bank = read_bank(Model(FOLDER))
    embeddings = np.random.default_rng(1).normal(0, 1, (3, len(bank.centre))).astype(np.float32)
    exact = (embeddings - bank.centre) @ bank.axes
    found = bank.features(embeddings)
    assert found.dtype == np.int8
    inside = np.abs(exact) < 10
    np.testing.assert_allclose(restored(found)[inside], exact[inside], atol=0.05)
    assert np.array_equal(quantised(np.array([1e9, -1e9])), [127, -127])


def test_what_is_wrong_with_a_bank_is_one_line(copy: Path, tmp_path: Path) -> None:
    model, path = Model(copy), copy / BANK_FILE
    write_bank(path, replace(read_bank(model), sha256="0" * 64))
    with pytest.raises(ModelError) as caught:
        read_bank(model)
    assert str(caught.value) == f"{path}: belongs to another version of commands-small; make it again (tools/make-bank)"
    for content in (b"", b"rubbish", path.read_bytes()[:1000]):
        path.write_bytes(content)
        with pytest.raises(ModelError, match=r"bank\.npz: damaged \("):
            read_bank(model)
    path.unlink()
    with pytest.raises(UsageError, match=r"bank\.npz: missing; words are enrolled with a model that has a bank"):
        read_bank(model)
    with pytest.raises(UsageError, match=r"^the model tones has no embedding, which enrolment needs; export it again"):
        read_bank(Model(write_model(tmp_path / "tones")))
