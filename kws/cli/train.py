"""``kws train``: from a folder of words to a trained network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kws.cli.options import add_command
from kws.errors import UsageError

if TYPE_CHECKING:
    from kws.training.recipe import Recipe

_EXAMPLES = """\
  kws train --data speech_commands --noise noise --speech librispeech --run runs/mine
  kws train --data words --keywords lights,music --run runs/mine --clips 200000
  kws train --start commands-small --data words --keywords lights,music --run runs/mine --clips 50000
  kws train --recipe models/commands/recipe.toml --data speech_commands --data wake_words --run runs/commands
  kws train --data words --front-end article --run runs/article     the front-end of the original article
  kws train --pytorch --data words --run runs/mine                  on a graphics card
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(commands, "train", summary="train a network on a folder of words", examples=_EXAMPLES)
    parser.add_argument(
        "--data",
        type=Path,
        action="append",
        required=True,
        metavar="DIR",
        help="a folder of words, DIR/WORD/*.wav, or with DIR/train/ and DIR/validation/; may be repeated",
    )
    parser.add_argument(
        "--run",
        type=Path,
        required=True,
        metavar="DIR",
        dest="folder",
        help="checkpoints and history; a run that was stopped goes on",
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
        help="begin with what this model knows, by its folder or name; its front-end and network unless you say more",
    )
    parser.add_argument("--keywords", metavar="A,B,...", help="the words to spot (default: every word of the folders)")
    parser.add_argument("--front-end", metavar="PRESET", help="log-mel, log-mel-small or article")
    parser.add_argument("--width", type=float, metavar="X", help="of EfficientNet-B0, for smaller networks below 1")
    parser.add_argument("--depth", type=float, metavar="X", help="of EfficientNet-B0")
    parser.add_argument("--clips", type=int, metavar="N", help="windows to hear in all")
    parser.add_argument("--name", help="of the model")
    parser.add_argument(
        "--more", type=Path, action="append", default=[], metavar="DIR", help="words that are all for training"
    )
    parser.add_argument(
        "--speech", type=Path, action="append", default=[], metavar="DIR", help="running speech, to stay calm in"
    )
    parser.add_argument("--noise", type=Path, action="append", default=[], metavar="DIR", help="recordings of noise")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keeps decoded recordings for the next run")
    parser.add_argument(
        "--pytorch",
        action="store_true",
        help="train with PyTorch, on a graphics card where there is one (extra 'pytorch'; recipes with peers need it)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from rich.console import Console  # noqa: PLC0415

    from kws.training.prepare import Folders  # noqa: PLC0415

    recipe = make_recipe(options)
    if options.pytorch or recipe.teaching.peers:  # networks learn beside each other with PyTorch only
        from kws.training.pytorch.train import train  # noqa: PLC0415
    else:
        from kws.training.train import train  # noqa: PLC0415
    folders = Folders(
        words=options.data, more=options.more, speech=options.speech, noise=options.noise, cache=options.cache
    )
    train(recipe, folders, options.folder, Console(stderr=True))
    return 0


def make_recipe(options: argparse.Namespace) -> Recipe:
    """The recipe of the options, over a recipe file if there is one."""
    import msgspec  # noqa: PLC0415

    from kws.corpus.clips import split_words  # noqa: PLC0415
    from kws.training.recipe import Recipe, like, read_recipe  # noqa: PLC0415

    if options.recipe:
        recipe = read_recipe(options.recipe)
    else:
        recipe = Recipe(name=options.name or options.folder.name, keywords=("",))
        if not options.keywords:
            recipe = msgspec.structs.replace(recipe, keywords=tuple(sorted(split_words(options.data, percent=0).train)))
        if options.start:
            recipe = like(recipe, options.start)
    if options.keywords:
        keywords = tuple(word.strip() for word in options.keywords.split(",") if word.strip())
        if not keywords:
            raise UsageError("--keywords names no word")
        recipe = msgspec.structs.replace(recipe, keywords=keywords)
    changes = {"name": options.name, "front_end": options.front_end, "start": options.start}
    recipe = msgspec.structs.replace(recipe, **{key: value for key, value in changes.items() if value is not None})
    scale = {"width": options.width, "depth": options.depth}
    network = msgspec.structs.replace(
        recipe.network, **{key: value for key, value in scale.items() if value is not None}
    )
    optimiser = recipe.optimiser
    if options.clips is not None:
        optimiser = msgspec.structs.replace(optimiser, clips=options.clips)
    recipe = msgspec.structs.replace(recipe, network=network, optimiser=optimiser)
    recipe.check()
    return recipe
