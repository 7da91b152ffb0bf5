"""Targets: a label alone, or with what trained networks say of the window."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from kws.errors import UsageError
from kws.features.front_end import LOG_MEL_SMALL
from kws.inference.model import FLOAT32_NETWORK, MODEL_FILE, Model, find_model

pytest.importorskip("scipy", reason="training needs the extra 'train'")
from kws.training.material import Example
from kws.training.recipe import Mix, Recipe, Teaching
from kws.training.teachers import Targets, read_targets
from kws.types import Float32Array

pytestmark = pytest.mark.training

SMALL = "commands-small"


def shipped() -> Model:
    return Model(find_model(SMALL) / FLOAT32_NETWORK)


def recipe(teacher: str | Path = SMALL, share: float = 0.5, keywords: tuple[str, ...] | None = None) -> Recipe:
    return Recipe(
        name="student",
        keywords=keywords or shipped().description.keywords,
        front_end="log-mel-small",
        teaching=Teaching(teachers=(str(teacher),), share=share),
    )


@pytest.fixture
def window() -> Float32Array:
    rng = np.random.default_rng(4)
    return (0.1 * rng.normal(size=16000)).astype(np.float32)


def test_without_teachers_the_label_is_the_target(window: Float32Array) -> None:
    np.testing.assert_array_equal(Targets(4)(Example(window, 2)), [0, 0, 1, 0])


def test_a_teacher_has_its_share_and_the_priors_of_training(window: Float32Array) -> None:
    model, asked = shipped(), recipe(share=0.25)
    posteriors = model.network(model.front_end(window))
    priors = np.array(asked.mix.priors(len(asked.keywords)))
    expected = 0.25 * posteriors * priors / np.sum(posteriors * priors)
    expected[5] += 0.75
    target = read_targets(asked)(Example(window, 5))
    np.testing.assert_allclose(target, expected, atol=1e-4)
    assert target.sum() == pytest.approx(1.0, abs=1e-6)


def test_a_teacher_is_not_asked_where_it_is_known_to_be_wrong(window: Float32Array) -> None:
    target = read_targets(recipe(share=0.25))(Example(window, 5, taught=False))
    np.testing.assert_array_equal(target, np.eye(14)[5])


def test_what_a_teacher_calls_unknown_is_the_other_word_that_was_said(window: Float32Array) -> None:
    asked = msgspec.structs.replace(recipe(share=0.25), other_words=("bed", "cat", "dog"))
    plain = read_targets(recipe(share=0.25))(Example(window, 1))
    targets = read_targets(asked)
    keyword, unknown, cat = (targets(Example(window, label)) for label in (5, 1, 15))
    assert keyword.shape == (17,)
    np.testing.assert_array_equal(unknown, [*plain, 0, 0, 0])
    np.testing.assert_array_equal(keyword[14:], 0)
    np.testing.assert_array_equal(cat, [plain[0], 0, *plain[2:], 0, plain[1], 0])


def test_teachers_are_heard_together(window: Float32Array) -> None:
    model = shipped()
    priors = Mix().priors(12)
    once, twice = (Targets(14, count * [model], share=0.5, priors=priors) for count in (1, 2))
    np.testing.assert_allclose(once(Example(window, 3)), twice(Example(window, 3)), atol=1e-6)


def test_a_teacher_without_the_float32_weights_is_named(tmp_path: Path) -> None:
    folder = find_model(SMALL)
    (tmp_path / MODEL_FILE).write_bytes((folder / MODEL_FILE).read_bytes())
    with pytest.raises(UsageError, match=rf"{FLOAT32_NETWORK}: missing; a teacher has float32 weights"):
        read_targets(recipe(tmp_path))


def test_a_teacher_whose_posteriors_hold_the_priors_of_its_own_training_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(find_model(SMALL), tmp_path / "unequal")
    description = json.loads((folder / MODEL_FILE).read_bytes())
    description["training"]["equal_priors"] = False
    (folder / MODEL_FILE).write_text(json.dumps(description), encoding="utf-8")
    with pytest.raises(UsageError, match="unequal was not exported with equal_priors = true"):
        read_targets(recipe(folder))


def test_a_teacher_of_other_words_is_refused() -> None:
    other = recipe(keywords=("yes", "no"))
    with pytest.raises(UsageError, match=r"commands-small has other labels than this training's .*yes, no"):
        read_targets(other)


def test_a_teacher_of_other_windows_is_refused() -> None:
    longer = msgspec.structs.replace(recipe(), front_end=replace(LOG_MEL_SMALL, window=24000))
    with pytest.raises(UsageError, match="commands-small takes windows of another length"):
        read_targets(longer)


def test_a_share_is_no_more_than_all() -> None:
    with pytest.raises(UsageError, match="share must lie between 0 and 1"):
        recipe(share=1.5).check()
