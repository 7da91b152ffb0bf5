"""``kws evaluate``: measure a model and its decisions."""

from __future__ import annotations

import argparse

from kws.cli import add_command, evaluate_clips, evaluate_stream

_EXAMPLES = """\
  kws evaluate clips my_recordings
  kws evaluate stream long.flac long.tsv
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"examples:\n{_EXAMPLES}"
    kinds = parser.add_subparsers(metavar="KIND", required=True, title="kinds")
    clips = add_command(kinds, "clips", "accuracy and confusion on clips DIR/WORD/*.wav")
    evaluate_clips.add_arguments(clips)
    summary = "misses, false accepts and latency on long recordings, and the threshold for each keyword"
    evaluate_stream.add_arguments(add_command(kinds, "stream", summary))
