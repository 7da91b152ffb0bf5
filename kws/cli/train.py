"""``kws train``: from a folder of words to a trained network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kws.common.names import composed
from kws.errors import UsageError

if TYPE_CHECKING:
    from kws.training.recipe import Recipe
    from kws.training.train import Learner

_EXAMPLES = """\
  kws train --data speech_commands --noise noise --speech librispeech --run runs/mine
  kws train --data words --keywords lights,music --run runs/mine --clips 200000
  kws train --start commands-small --data words --keywords lights,music --run runs/mine --clips 50000
  kws train --recipe models/commands/recipe.toml --data speech_commands --data wake_words --run runs/commands
  kws train --data words --front-end article --run runs/article     the front-end of the original article
  kws train --pytorch --data words --run runs/mine                  on a graphics card
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"examples:\n{_EXAMPLES}"

    def folders(flag: str, about: str, *, required: bool = False) -> None:
        parser.add_argument(
            flag, type=Path, action="append", default=None if required else [], required=required, metavar="DIR",
            help=about,
        )  # fmt: skip

    folders("--data", "a folder of words, DIR/WORD/*.wav, or with DIR/train/ and DIR/validation/", required=True)
    folders("--more", "words that are all for training")
    folders("--speech", "running speech, in which to stay calm")
    folders("--noise", "recordings of noise")
    parser.add_argument(
        "--run",
        type=Path,
        required=True,
        metavar="DIR",
        dest="folder",
        help="checkpoint and history; the same command continues a stopped run",
    )
    parser.add_argument(
        "--recipe",
        type=Path,
        metavar="FILE",
        help="a recipe, in TOML or as RUN/recipe.json; the options below change it",
    )
    parser.add_argument(
        "--start",
        metavar="MODEL",
        help="begin with the weights, network and front-end of this model (folder or name)",
    )
    parser.add_argument("--keywords", metavar="A,B,...", help="the words to spot (default: every word of the folders)")
    parser.add_argument("--front-end", metavar="PRESET", help="log-mel, log-mel-small or article")
    parser.add_argument("--width", type=float, metavar="X", help="scale of EfficientNet-B0's width")
    parser.add_argument("--depth", type=float, metavar="X", help="scale of EfficientNet-B0's depth")
    parser.add_argument("--clips", type=int, metavar="N", help="windows to learn from in all")
    parser.add_argument("--name", help="of the model")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keeps decoded recordings for the next run")
    parser.add_argument(
        "--pytorch",
        action="store_true",
        help="train with PyTorch, on a graphics card if there is one (extra 'pytorch'; an ensemble needs it)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from rich.console import Console  # noqa: PLC0415

    recipe = make_recipe(options)
    learner: type[Learner]
    if options.pytorch or recipe.teaching.ensemble:
        from kws.training.pytorch.learner import PyTorchLearner  # noqa: PLC0415

        learner = PyTorchLearner
    else:
        from kws.training.tensorflow.learner import TensorFlowLearner  # noqa: PLC0415

        learner = TensorFlowLearner
    from kws.training.prepare import Folders  # noqa: PLC0415
    from kws.training.train import train  # noqa: PLC0415

    folders = Folders(
        words=options.data, more=options.more, speech=options.speech, noise=options.noise, cache=options.cache
    )
    train(recipe, folders, options.folder, Console(stderr=True), learner)
    return 0


def make_recipe(options: argparse.Namespace) -> Recipe:
    """Return the recipe file with the changes of the options, or a recipe of the options alone."""
    from msgspec.structs import replace  # noqa: PLC0415

    from kws.corpus.word_folders import split_words  # noqa: PLC0415
    from kws.training.recipe import Recipe, read_recipe  # noqa: PLC0415
    from kws.types import UNKNOWN  # noqa: PLC0415

    if options.recipe:
        recipe = read_recipe(options.recipe)
    else:
        words = set() if options.keywords else {*split_words(options.data, percent=0).train} - {UNKNOWN}
        recipe = Recipe(name=options.folder.name, keywords=tuple(sorted(words)))
        if options.start:
            recipe = _like(recipe, options.start)
    if options.keywords:
        spelled = composed(options.keywords).split(",")
        keywords = tuple(word.strip() for word in spelled if word.strip())
        if not keywords:
            raise UsageError("--keywords names no word")
        recipe = replace(recipe, keywords=keywords)

    def given(*names: str) -> dict[str, object]:
        return {name: value for name in names if (value := getattr(options, name)) is not None}

    recipe = replace(
        recipe,
        **given("name", "front_end", "start"),
        network=replace(recipe.network, **given("width", "depth")),
        optimiser=replace(recipe.optimiser, **given("clips")),
    )
    recipe.check()
    return recipe


def _like(recipe: Recipe, model: str) -> Recipe:
    """Return a recipe with the front-end and the network of a model, given by folder or name."""
    import msgspec  # noqa: PLC0415

    from kws.inference.model import find_description  # noqa: PLC0415
    from kws.training.recipe import NetworkOptions  # noqa: PLC0415

    description = find_description(model)
    try:
        network = msgspec.convert(description.training.get("network"), NetworkOptions)
    except msgspec.ValidationError as error:
        raise UsageError(f"{model}: its model.json does not describe its network: {error}") from error
    return msgspec.structs.replace(recipe, front_end=description.front_end, network=network)
