"""``kws devices``: the microphones."""

from __future__ import annotations

import argparse
import json

from kws.audio.portaudio.devices import NO_MICROPHONE, list_devices
from kws.cli.flags import add_json
from kws.errors import AudioError

_EXAMPLES = """\
  kws devices
  kws listen --device "$(kws devices --json | jq -r '.[0].name')"
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"examples:\n{_EXAMPLES}"
    add_json(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    devices = list_devices()
    if options.json:
        print(json.dumps([device._asdict() for device in devices], indent=2))
    else:
        for device in devices:
            mark = "*" if device.is_default else " "
            print(f"{mark} {device.index:>2}  {device.name}  ({device.channels} channels, {device.rate} Hz)")
    if not devices:
        raise AudioError(NO_MICROPHONE)
    return 0
