"""``kws config``: what is configured."""

from __future__ import annotations

import argparse
import json
import sys

from kws.cli.flags import add_config_flags, configuration
from kws.cli.options import add_command

_EXAMPLES = """\
  kws config show                                     what is in force, and where each value comes from
  kws config show --set decision.threshold=0.9        ... with a setting said anew
  kws config show --json | jq -r '.[] | select(.origin != "built-in") | .key'
  kws config show > /etc/kws/kws.toml                 a file that says all of it
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(commands, "config", summary="show the configuration in force", examples=_EXAMPLES)
    actions = parser.add_subparsers(metavar="ACTION", required=True, title="actions")
    show = add_command(
        actions,
        "show",
        summary="print every setting in force as TOML that can be read back, and where each value comes from",
        examples=_EXAMPLES,
    )
    add_config_flags(show)
    show.add_argument("--json", action="store_true", help="machine-readable")
    show.set_defaults(run=run_show)


def run_show(options: argparse.Namespace) -> int:
    from kws.config.inforce import in_force  # noqa: PLC0415
    from kws.config.writing import as_toml  # noqa: PLC0415
    from kws.inference.model import find_description  # noqa: PLC0415

    config = configuration(options)
    settings = in_force(config, find_description(config.model.name))
    if options.json:
        print(
            json.dumps(
                [{"key": setting.key, "value": setting.value, "origin": setting.origin} for setting in settings],
                indent=2,
                ensure_ascii=False,
            )
        )
    else:
        sys.stdout.write(as_toml(config, settings))
    return 0
