"""``kws export``: from a training run to a model folder that ships."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kws.training import check_tensorflow
from kws.training.recipe import read_recipe

_EXAMPLES = """\
  kws export runs/mine models/mine
  kws listen --model models/mine
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"examples:\n{_EXAMPLES}"
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="the folder of kws train")
    parser.add_argument("model_folder", type=Path, metavar="MODEL", help="the folder to write")
    parser.add_argument(
        "--recipe",
        type=Path,
        metavar="FILE",
        help="the run's recipe with another version, decision settings, licence or attribution",
    )
    parser.add_argument(
        "--networks",
        default="int8,float32,dynamic-range",
        metavar="A,B,...",
        help="what to write (default: %(default)s)",
    )
    parser.add_argument("--model-version", metavar="V", help="of the model (default: the recipe's)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    check_tensorflow()
    say("Loading TensorFlow")
    from kws.training.export import export  # noqa: PLC0415 - it loads TensorFlow

    recipe = read_recipe(options.recipe) if options.recipe else None
    kinds = [kind.strip() for kind in options.networks.split(",")]
    export(options.run_folder, options.model_folder, recipe=recipe, version=options.model_version, kinds=kinds, say=say)
    return 0
