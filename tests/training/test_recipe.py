"""Recipes: what they may say, and what is wrong with the rest."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from kws.errors import UsageError
from kws.features.front_end import ARTICLE, LOG_MEL
from kws.training.recipe import Mix, Optimiser, Recipe, Teaching, read_recipe

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", sorted(ROOT.glob("models/*/recipe.toml")), ids=lambda path: path.parent.name)
def test_the_recipes_that_ship_are_right(path: Path) -> None:
    assert read_recipe(path).name == path.parent.name


@pytest.mark.parametrize("path", sorted(ROOT.glob("models/*/recipe.toml")), ids=lambda path: path.parent.name)
def test_what_a_run_keeps_is_a_recipe_too(path: Path, tmp_path: Path) -> None:
    kept = tmp_path / "recipe.json"
    kept.write_bytes(msgspec.json.encode(read_recipe(path)))
    assert read_recipe(kept) == read_recipe(path)
    kept.write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match=r"recipe\.json: Input data was truncated"):
        read_recipe(kept)


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_front_end_is_a_preset_or_a_table(tmp_path: Path) -> None:
    recipe = read_recipe(write(tmp_path, 'name = "a"\nkeywords = ["on"]\nfront_end = "article"'))
    assert recipe.resolved_front_end == ARTICLE
    recipe = read_recipe(write(tmp_path, 'name = "a"\nkeywords = ["on"]\n[front_end]\nmel_low = 100.0'))
    assert recipe.resolved_front_end == msgspec.structs.replace(recipe).resolved_front_end
    assert recipe.resolved_front_end.mel_low == 100.0
    assert recipe.resolved_front_end.mel_high == LOG_MEL.mel_high


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = 1", "Expected `str`"),
        ('name = "a"\nkeywords = []', "at least one word"),
        ('name = "a"\nkeywords = ["on", "on"]', "each once"),
        ('name = "a"\nkeywords = ["_unknown_"]', "labels already"),
        ('name = "a"\nkeywords = ["on"]\nother_words = ["on"]', "other_words: name each word once, and no keyword"),
        ('name = "a"\nkeywords = ["on"]\nother_words = ["bed", "bed"]', "other_words: name each word once"),
        ('name = "a"\nkeywords = ["on"]\nfront_end = "mel"', "no preset 'mel'; there are log-mel"),
        ('name = "a"\nkeywords = ["on"]\ncolour = 1', "unknown field `colour`"),
        ('name = "a"\nkeywords = ["on"]\n[network]\nwidth = 0.0', "width and depth"),
        ('name = "a"\nkeywords = ["on"]\n[[teaching.ensemble]]\ndepth = 0.0', "also in teaching.ensemble"),
        ('name = "a"\nkeywords = ["on"]\n[optimiser]\nclips = -1', "batch must be at least 1, and clips too"),
        ('name = "a"\nkeywords = ["on"]\n[front_end]\nmel_bins = 20\nimage = [96, 20]', "at least 32 x 32"),
        ("name = ", "Invalid"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as error:
        read_recipe(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_a_run_may_go_on_for_longer_with_another_mix_but_not_as_another_network() -> None:
    recipe = Recipe(name="a", keywords=("on",))
    longer = msgspec.structs.replace(recipe.optimiser, clips=10)
    assert msgspec.structs.replace(recipe, name="b", licence="MIT", optimiser=longer).continues(recipe)
    other = msgspec.structs.replace(recipe.mix, silence=0.2)
    assert msgspec.structs.replace(recipe, mix=other).continues(recipe)
    assert msgspec.structs.replace(recipe, teaching=Teaching(teachers=("commands",))).continues(recipe)
    assert not msgspec.structs.replace(recipe, keywords=("off",)).continues(recipe)
    assert not msgspec.structs.replace(recipe, teaching=Teaching(ensemble=(recipe.network,))).continues(recipe)
    faster = msgspec.structs.replace(recipe.optimiser, rate=1.0)
    assert not msgspec.structs.replace(recipe, optimiser=faster).continues(recipe)


def test_the_priors_are_the_shares_of_the_mix() -> None:
    mix = Mix(silence=0.1, unknown=0.2, speech=0.1, cut=0.05, fragment=0.03, sentence=0.02)
    assert mix.priors(5) == pytest.approx((0.1, 0.4, 0.1, 0.1, 0.1, 0.1, 0.1))


SCHEDULE = Optimiser(clips=1000, batch=10, rate=1.0, warmup=100, decay=0.5, averaging=9)


def test_the_rate_rises_stays_and_falls_to_nothing() -> None:
    rates = [SCHEDULE.rate_after(clips) for clips in range(0, 1001, 10)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(1.0)
    assert rates[9:51] == pytest.approx([1.0] * 42)
    assert rates[75] == pytest.approx(0.5)
    assert rates[100] == 0.0


@pytest.mark.parametrize(("clips", "constant"), [(0, 1.0), (50, 2.0), (200, 5.0), (400, 9.0), (1000, 9.0)])
def test_the_average_forgets_its_beginning(clips: int, constant: float) -> None:
    """Its time constant is a fifth of the steps so far, until it reaches the recipe's."""
    assert SCHEDULE.momentum_after(clips) == pytest.approx(1 - 1 / constant)
