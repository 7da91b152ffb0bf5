"""``kws check``: all that the configuration names, tried part by part."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterable
from dataclasses import asdict

from rich.live import Live
from rich.table import Table
from rich.text import Text

from kws.app.checks import Result, checks
from kws.cli.flags import add_config_flags, add_json, configuration

_EXAMPLES = """\
  kws check && systemctl restart kws
  kws check --config kitchen.toml --json | jq -r '.[] | select(.ok | not) | .detail'
  kws check --set mqtt.url=mqtts://broker.local      as if the file said so
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"examples:\n{_EXAMPLES}"
    add_config_flags(parser)
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    logging.getLogger("kws").setLevel(logging.CRITICAL)  # the table has it all
    results = checks(lambda: configuration(options))
    if options.json:
        shown = list(results)
        print(json.dumps([asdict(result) for result in shown], indent=2, ensure_ascii=False))
    else:
        shown = _show_table(results) if sys.stdout.isatty() else _show_lines(results)
    return max(result.code for result in shown)


def _show_lines(results: Iterable[Result]) -> list[Result]:
    shown = []
    for result in results:
        mark = ("warn" if result.warning else "ok  ") if result.ok else "FAIL"
        more = f"; {result.warning}" if result.warning else ""
        print(f"{mark}  {result.part}: {result.detail}{more}", flush=True)
        shown.append(result)
    return shown


def _show_table(results: Iterable[Result]) -> list[Result]:
    table = Table("", "part", "what was found")
    shown = []
    with Live(table, refresh_per_second=8):
        for result in results:
            mark, style = ("ok", "green") if result.ok else ("FAIL", "bold red")
            if result.warning:
                mark, style = "warn", "yellow"
            found = Text(result.detail)
            if result.warning:
                found.append(f"\n{result.warning}", style)
            table.add_row(Text(mark, style), result.part, found)
            shown.append(result)
    return shown
