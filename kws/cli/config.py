"""``kws config``: what is configured."""

from __future__ import annotations

import argparse
import json
import sys

from kws.app.build import describe_model
from kws.cli import add_command
from kws.cli.flags import add_config_flags, add_json, configuration
from kws.config.inforce import in_force
from kws.config.writing import as_toml

_EXAMPLES = """\
  kws config show                                     what is in force, and where each value comes from
  kws config show --set decision.threshold=0.6        ... with another value for a setting
  kws config show --json | jq -r '.[] | select(.origin != "built-in") | .key'
  kws config show > /etc/kws/kws.toml                 a file that says all of it
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"examples:\n{_EXAMPLES}"
    actions = parser.add_subparsers(metavar="ACTION", required=True, title="actions")
    summary = "print every setting in force as TOML that can be read back, and where each value comes from"
    show = add_command(actions, "show", summary)
    show.epilog = parser.epilog
    add_config_flags(show)
    add_json(show)
    show.set_defaults(run=run_show)


def run_show(options: argparse.Namespace) -> int:
    config = configuration(options)
    settings = in_force(config, describe_model(config))
    if options.json:
        shown = [{"key": setting.key, "value": setting.value, "origin": setting.origin} for setting in settings]
        print(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        sys.stdout.write(as_toml(config, settings))
    return 0
