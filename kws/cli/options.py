"""Options that several commands share, and what becomes of them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from kws import DEFAULT_MODEL
from kws.errors import UsageError

if TYPE_CHECKING:
    from kws.decision import DecisionSettings
    from kws.inference.model import Model

COMMAND_LINE = "command line"


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, *, summary: str, examples: str = ""
) -> argparse.ArgumentParser:
    """A command with its summary in the list of commands and its examples at the end of its help."""
    return commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"examples:\n{examples}" if examples else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        default=DEFAULT_MODEL,
        metavar="MODEL",
        help="a model folder, one of its .tflite files, or the name of a model that ships, with or without a file: "
        "commands/model-float32.tflite (default: %(default)s)",
    )
    group.add_argument(
        "--interpreter", help="ai-edge-litert, tflite-runtime or tensorflow (default: the first that is installed)"
    )
    group.add_argument("--threads", type=int, default=1, help="for one window (default: %(default)s)")


def add_decision_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("decision", "What is not said here is as the model recommends.")
    group.add_argument(
        "--threshold",
        action="append",
        default=[],
        metavar="[WORD=]X",
        help="smoothed posterior from which a keyword fires, for all or for one word; may be repeated",
    )
    group.add_argument("--smoothing", type=float, metavar="S", help="seconds over which posteriors are averaged")
    group.add_argument("--patience", type=int, metavar="N", help="windows in a row that it takes")
    group.add_argument("--refractory", type=float, metavar="S", help="seconds for which a keyword then stays silent")
    group.add_argument("--hop", type=float, metavar="S", help="seconds from one window to the next")
    group.add_argument(
        "--wake-word",
        action="append",
        metavar="WORD",
        help="a keyword after which alone the others count; may be repeated",
    )
    group.add_argument("--wake-seconds", type=float, metavar="S", help="for how long they then count")
    group.add_argument(
        "--wake-extend", action="store_const", const=True, help="each command that counts extends that time"
    )
    group.add_argument(
        "--isolated",
        type=float,
        metavar="S",
        help="only words that come after so many seconds of quiet count: a command, not a word in a sentence",
    )
    group.add_argument(
        "--speech-before",
        type=float,
        metavar="W",
        help="how much of its score a word loses amid other words, from 0 (nothing) to 1 (all of it)",
    )
    group.add_argument(
        "--settings", metavar="FILE", help="a TOML file with tables [decision], [keyword.WORD] and [gate]"
    )


def names(text: str | None, option: str) -> list[str] | None:
    """What an option lists between commas; None where it was not given.

    Raises:
        UsageError: it lists nothing.
    """
    if text is None:
        return None
    listed = [name.strip() for name in text.split(",") if name.strip()]
    if not listed:
        raise UsageError(f"{option} names nothing")
    return listed


def check_snr(snr: float) -> None:
    """Raise a UsageError for a signal-to-noise ratio, in decibels, that nobody can mean."""
    if not -60 <= snr <= 60:
        raise UsageError(f"--snr {snr:g}: between -60 and 60 decibels")


def load_model(options: argparse.Namespace) -> Model:
    """The model that the options name.

    Raises:
        ModelError, UsageError: see :class:`kws.inference.model.Model`.
    """
    from kws.inference.model import Model, find_model  # noqa: PLC0415

    if not 1 <= options.threads <= 256:
        raise UsageError(f"--threads {options.threads}: from 1 to 256")
    return Model(find_model(options.model), interpreter=options.interpreter, threads=options.threads)


def decision_settings(options: argparse.Namespace, model: Model) -> DecisionSettings:
    """The decision settings in force: built-in, the model's, those of a file, those of the command line.

    Raises:
        UsageError: a value that cannot be, with the place where it was written.
    """
    from kws.common.tables import read_toml  # noqa: PLC0415
    from kws.decision import read_options, recommended, resolve  # noqa: PLC0415

    layers = {"model.json": recommended(model.description)}
    if options.settings:
        layers[options.settings] = read_options(read_toml(Path(options.settings)), options.settings)
    layers[COMMAND_LINE] = read_options(_tables(options), COMMAND_LINE)
    return resolve(model.labels, layers)


def _tables(options: argparse.Namespace) -> dict[str, object]:
    common = {
        "smoothing": options.smoothing,
        "patience": options.patience,
        "refractory": options.refractory,
        "hop": options.hop,
        "quiet_before": options.isolated,
        "speech_before": options.speech_before,
    }
    keywords: dict[str, dict[str, float]] = {}
    for text in options.threshold:
        word, separator, number = text.rpartition("=")
        try:
            threshold = float(number)
        except ValueError:
            raise UsageError(f"--threshold {text}: give a number, or WORD=NUMBER") from None
        if separator:
            keywords[word] = {"threshold": threshold}
        else:
            common["threshold"] = threshold
    gate = {"wake_words": options.wake_word, "seconds": options.wake_seconds, "extend": options.wake_extend}
    return {
        "decision": {key: value for key, value in common.items() if value is not None},
        "keyword": keywords,
        "gate": {key: value for key, value in gate.items() if value is not None},
    }
