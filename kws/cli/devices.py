"""``kws devices``: the microphones there are."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from kws.cli.options import add_command

_EXAMPLES = """\
  kws devices
  kws listen --device "$(kws devices --json | jq -r '.[0].name')"
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands, "devices", summary="list the microphones, by the names that --device takes", examples=_EXAMPLES
    )
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from kws.audio.portaudio.devices import list_devices  # noqa: PLC0415

    devices = list_devices()
    if options.json:
        print(json.dumps([asdict(device) for device in devices], indent=2))
        return 0
    for device in devices:
        mark = "*" if device.is_default else " "
        print(f"{mark} {device.index:>2}  {device.name}  ({device.channels} channels, {device.rate} Hz)")
    if not devices:
        print("kws: no microphone is there; plug one in, and see that this user may record", file=sys.stderr)
        return 1
    return 0
