"""Options that several commands share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from kws.cli.flags import DECISION, MODEL, Flag, Say, add_flags, configuration
from kws.errors import UsageError

if TYPE_CHECKING:
    from kws.decision import DecisionSettings
    from kws.inference.model import Model


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, *, summary: str, examples: str = ""
) -> argparse.ArgumentParser:
    """Add a command with its summary in the list of commands and its examples at the end of its help."""
    return commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"examples:\n{examples}" if examples else None,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    add_flags(parser.add_argument_group("model"), *MODEL)


def add_decision_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("decision", "What is not said here is as the model recommends.")
    group.add_argument(
        "--threshold",
        action=Say,
        flag=Flag("--threshold", "decision.threshold", "", ""),
        metavar="[WORD=]X",
        help="smoothed posterior from which a keyword fires, for all or for one word; may be repeated "
        "(decision.threshold, keyword.WORD.threshold)",
    )
    add_flags(group, *DECISION)
    group.add_argument(
        "--settings", metavar="FILE", help="a TOML file with tables [decision], [keyword.WORD] and [gate]"
    )


def names(text: str | None, option: str) -> list[str] | None:
    """Return what an option lists between commas; None where it was not given.

    Raises:
        UsageError: it lists nothing.
    """
    if text is None:
        return None
    listed = [name.strip() for name in text.split(",") if name.strip()]
    if not listed:
        raise UsageError(f"{option} names nothing")
    return listed


def check_snr(snr: float, option: str = "--snr") -> None:
    """Raise a UsageError for a signal-to-noise ratio, in decibels, that cannot be meant."""
    if not -60 <= snr <= 60:
        raise UsageError(f"{option} {snr:g}: between -60 and 60 decibels")


def model_and_settings(options: argparse.Namespace) -> tuple[Model, DecisionSettings]:
    """Load the model that the flags of a measuring command name, and return it with the decision settings for it.

    Raises:
        ModelError, UsageError: see :func:`kws.app.build.load_model` and :func:`kws.app.build.decision_settings`.
    """
    from kws.app.build import decision_settings, load_model  # noqa: PLC0415

    config = configuration(options)
    model = load_model(config)
    return model, decision_settings(config, config.sources[0], model.description)
