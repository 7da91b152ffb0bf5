"""``kws evaluate``: measure a model and its decisions."""

from __future__ import annotations

import argparse

from kws.cli import evaluate_clips, evaluate_stream
from kws.cli.options import add_command

_EXAMPLES = """\
  kws evaluate clips my_recordings
  kws evaluate stream long.flac long.tsv
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands,
        "evaluate",
        summary="measure accuracy on clips, or misses and false accepts on streams",
        examples=_EXAMPLES,
    )
    kinds = parser.add_subparsers(metavar="KIND", required=True, title="kinds")
    for kind in (evaluate_clips, evaluate_stream):
        kind.add_parser(kinds)
