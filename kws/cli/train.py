"""``kws train``: from a folder of words to a trained network."""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from kws.cli.flags import add_folders, add_json, names
from kws.errors import UsageError
from kws.training import check_tensorflow

if TYPE_CHECKING:
    from kws.training.recipe import Recipe
    from kws.training.train import Learner

#: Models to begin with: if only the end learns, and if all of the network does, which is slower.
_START, _SMALL_START = "commands", "commands-small"
_EXAMPLES = """\
  kws train --data words --keywords lights,music --run runs/mine --export models/mine
  kws train --say "good night,lights on" --run runs/mine --export models/mine
  kws train --data words --speech librispeech --noise noise --run runs/mine --clips 200000
  kws train --recipe models/commands/recipe.toml --data speech_commands --data wake_words --run runs/commands
  kws train --data words --front-end article --run runs/article     the front-end of the original article
  kws train --pytorch --data words --run runs/mine                  on a graphics card
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"examples:\n{_EXAMPLES}"

    add_folders(parser, "--data", "a folder of words, DIR/WORD/*.wav, or with DIR/train/ and DIR/validation/")
    parser.add_argument(
        "--say", metavar="A,B,...", help="words to train without recordings: synthetic voices say them, into RUN/said"
    )
    add_folders(parser, "--more", "words that are all for training")
    add_folders(parser, "--speech", "running speech, in which to stay calm")
    add_folders(parser, "--noise", "recordings of noise")
    parser.add_argument(
        "--no-negatives",
        action="store_true",
        help="do not learn from the words and sentences of synthetic voices that come with kws",
    )
    parser.add_argument(
        "--run",
        type=Path,
        required=True,
        metavar="DIR",
        dest="folder",
        help="checkpoint and history; the same command continues a stopped run",
    )
    parser.add_argument("--export", type=Path, metavar="MODEL", help="then write this model folder, as kws export does")
    parser.add_argument(
        "--recipe",
        type=Path,
        metavar="FILE",
        help="a recipe, in TOML or as RUN/recipe.json; the options below change it",
    )
    parser.add_argument(
        "--start",
        metavar="MODEL",
        help="begin with the weights, network, front-end and mix of this model (folder or name), or with 'none' "
        f"(default: {_START}, or {_SMALL_START} with --speech, unless other options say what the network is)",
    )
    parser.add_argument("--keywords", metavar="A,B,...", help="the words to spot (default: every word of the folders)")
    parser.add_argument("--front-end", metavar="PRESET", help="log-mel, log-mel-small or article")
    parser.add_argument("--width", type=float, metavar="X", help="scale of EfficientNet-B0's width")
    parser.add_argument("--depth", type=float, metavar="X", help="scale of EfficientNet-B0's depth")
    parser.add_argument(
        "--clips", type=int, metavar="N", help="windows to learn from in all (default: by the number of recordings)"
    )
    parser.add_argument("--name", help="of the model")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keeps decoded recordings for the next run")
    parser.add_argument(
        "--pytorch",
        action="store_true",
        help="train with PyTorch, on a graphics card if there is one (extra 'pytorch'; an ensemble needs it)",
    )
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    said = names(options.say, "--say") if options.say is not None else []
    if not (said or options.data):
        raise UsageError("nothing to learn: name folders of words with --data, or words with --say")
    recipe = make_recipe(options, said or [])
    framework = "PyTorch" if options.pytorch or recipe.teaching.ensemble else "TensorFlow"
    if framework == "PyTorch":
        import_module("kws.training.pytorch")  # raises a UsageError without it
    else:
        check_tensorflow()
    if framework == "PyTorch" and options.export and not find_spec("tensorflow"):
        raise UsageError("--export needs the extra 'train' as well: pip install '.[train]'")

    from rich.console import Console  # noqa: PLC0415

    from kws.training.prepare import Folders  # noqa: PLC0415
    from kws.training.saying import say_words  # noqa: PLC0415
    from kws.training.train import Report, train  # noqa: PLC0415

    report = Report(Console(stderr=True), as_json=options.json)
    words, more = list(options.data), list(options.more)
    if said:
        # Voices are held out only if there are no people.
        (more if words else words).append(options.folder / "said")
        say_words(said, options.folder / "said", report.say)
    folders = Folders(words=words, more=more, speech=options.speech, noise=options.noise, cache=options.cache)
    train(recipe, folders, options.folder, report, framework=framework, load_learner=lambda: _learner(framework))
    if options.export:
        from kws.training.export import export  # noqa: PLC0415

        export(options.folder, options.export, kinds=("int8", "float32"), say=report.say)
    return 0


def _learner(framework: str) -> type[Learner]:
    if framework == "PyTorch":
        from kws.training.pytorch.learner import PyTorchLearner  # noqa: PLC0415

        return PyTorchLearner
    from kws.training.tensorflow.learner import TensorFlowLearner  # noqa: PLC0415

    return TensorFlowLearner


def make_recipe(options: argparse.Namespace, said: list[str]) -> Recipe:
    """Return the recipe file with the changes of the options, or a recipe of the options alone."""
    from msgspec.structs import replace  # noqa: PLC0415

    from kws.corpus.word_folders import split_words  # noqa: PLC0415
    from kws.enroll.bank import BANK_FILE  # noqa: PLC0415
    from kws.inference.model import find_model  # noqa: PLC0415
    from kws.training.recipe import Recipe, read_recipe  # noqa: PLC0415
    from kws.types import UNKNOWN  # noqa: PLC0415

    if options.recipe:
        recipe = read_recipe(options.recipe)
    else:
        words = set() if options.keywords else {*split_words(options.data, percent=0).train, *said} - {UNKNOWN}
        recipe = Recipe(name=options.folder.name, keywords=tuple(sorted(words)), negatives=not options.no_negatives)
        own = options.front_end, options.width, options.depth, options.pytorch or None
        usual = _SMALL_START if options.speech or options.no_negatives else _START
        start = options.start or ("none" if any(option is not None for option in own) else usual)
        if start != "none":
            recipe = _like(recipe, start)
            # Speech of people teaches the whole network. Without any, only its end learns, from the bank of the start.
            bank = recipe.negatives and not options.speech and (find_model(start) / BANK_FILE).is_file()
            recipe = replace(recipe, bank=bank, equal_priors=bank)
    if options.keywords:
        recipe = replace(recipe, keywords=tuple(names(options.keywords, "--keywords") or ()))

    def given(*names: str) -> dict[str, object]:
        return {name: value for name in names if (value := getattr(options, name)) is not None}

    recipe = replace(
        recipe,
        **given("name", "front_end"),
        network=replace(recipe.network, **given("width", "depth")),
        optimiser=replace(recipe.optimiser, **given("clips")),
    )
    if options.recipe and options.start:
        recipe = replace(recipe, start=options.start.replace("none", ""))
    recipe.check()
    return recipe


def _like(recipe: Recipe, model: str) -> Recipe:
    """Return a recipe that begins with a model, given by folder or name, and has its front-end, network and mix."""
    import msgspec  # noqa: PLC0415

    from kws.inference.model import find_description  # noqa: PLC0415
    from kws.training.recipe import Mix, NetworkOptions, Optimiser  # noqa: PLC0415

    description = find_description(model)
    try:
        network = msgspec.convert(description.training.get("network"), NetworkOptions)
        mix = msgspec.convert(description.training.get("mix", {}), Mix)
    except msgspec.ValidationError as error:
        raise UsageError(f"{model}: its model.json does not describe its network: {error}") from error
    return msgspec.structs.replace(
        recipe,
        start=model,
        front_end=description.front_end,
        network=network,
        mix=mix,
        decision={"decision": {"threshold": 0.5, **description.decision.get("decision", {})}},
        optimiser=Optimiser(batch=64, rate=1e-3, averaging=200),
    )
