"""``kws run``: the service."""

from __future__ import annotations

import argparse
import logging
import os

from kws.app.observers import ServiceObservers
from kws.app.service import make_service, run_service
from kws.app.state import state_file
from kws.cli.flags import VERBOSE, add_config_flags, add_flags, configuration
from kws.config.schema import Config
from kws.errors import UsageError
from kws.publishers.worker import total

_EXAMPLES = """\
  kws run                          as ~/.config/kws/kws.toml or /etc/kws/kws.toml says
  kws run --config kitchen.toml    ... another file
  kws run --set stdout.format=text --device USB    ... but for these settings
  kws run --forget                 take back what Home Assistant and the broker know of it
"""

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"examples:\n{_EXAMPLES}"
    add_config_flags(parser)
    parser.add_argument(
        "--forget",
        action="store_true",
        help="clear all that the broker retains of this site, Home Assistant's discovery included, and end",
    )
    add_flags(parser, VERBOSE)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.forget:
        _forget(configuration(options))
        return 0
    observers = ServiceObservers(lambda: configuration(options))
    service = make_service(observers.read, observers, state=state_file(os.environ))
    observers.begin(service)
    try:
        ended = run_service(service, lambda: observers.config, reloads=True)
    finally:
        observers.close()
    return 1 if not ended and total(service.workers).dropped else 0  # of a recording or a pipe; the log says why


def _forget(config: Config) -> None:
    if config.mqtt is None:
        raise UsageError(f"{config.provenance}: has no table mqtt, so there is nothing to forget")
    from kws.publishers.mqtt.forget import forget  # noqa: PLC0415 - it loads OpenSSL

    topics = []
    for mqtt, home_assistant, _ in map(config.publishing, config.sources):
        if mqtt is not None:
            topics += forget(mqtt, home_assistant)
    _log.info("cleared %d retained message%s", len(topics), "" if len(topics) == 1 else "s")
