"""``kws run``: the service."""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kws.cli.flags import VERBOSE, add_config_flags, add_flags, configuration
from kws.cli.options import add_command
from kws.errors import UsageError

if TYPE_CHECKING:
    from kws.config import Config
    from kws.publishers.mqtt.homeassistant import HomeAssistantOptions
    from kws.publishers.mqtt.settings import MqttOptions

_EXAMPLES = """\
  kws run                          as ~/.config/kws/kws.toml or /etc/kws/kws.toml says
  kws run --config kitchen.toml    ... another file
  kws run --set stdout.format=text --device USB    ... but for these settings
  kws run --forget                 take back what Home Assistant and the broker know of it
"""

_log = logging.getLogger(__name__)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands, "run", summary="run as a service: listen, and publish detections", examples=_EXAMPLES
    )
    add_config_flags(parser)
    parser.add_argument(
        "--forget",
        action="store_true",
        help="clear all that the broker retains of this site, Home Assistant's discovery included, and end",
    )
    add_flags(parser, VERBOSE)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    config = configuration(options)
    if options.forget:
        from kws.publishers.mqtt.forget import forget  # noqa: PLC0415

        if config.mqtt is None:
            raise UsageError(f"{config.provenance}: has no table mqtt, so there is nothing to forget")
        topics = [topic for mqtt, home_assistant in _sites(config) for topic in forget(mqtt, home_assistant)]
        _log.info("cleared %d retained message%s", len(topics), "" if len(topics) == 1 else "s")
        return 0
    from kws.app import running  # noqa: PLC0415
    from kws.app.build import make_service  # noqa: PLC0415
    from kws.app.observers import ServiceObservers  # noqa: PLC0415
    from kws.app.state import state_file  # noqa: PLC0415

    observers = ServiceObservers(lambda: configuration(options))
    service = make_service(observers.read, observers, state=state_file(os.environ))
    observers.begin(service)

    try:
        running.run(service, lambda: observers.config, reloads=True)
    finally:
        observers.close()
    return 0


def _sites(config: Config) -> Iterator[tuple[MqttOptions, HomeAssistantOptions]]:
    for source in config.sources:
        mqtt, home_assistant, _ = config.publishing(source)
        if mqtt is not None:
            yield mqtt, home_assistant
