"""``kws evaluate stream``: misses, false accepts and latency on long recordings."""

from __future__ import annotations

import argparse

from kws.cli.options import add_command


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(commands, "stream", summary="misses, false accepts and latency on long recordings")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:  # noqa: ARG001
    raise NotImplementedError
