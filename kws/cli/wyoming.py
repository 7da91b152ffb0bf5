"""``kws wyoming``: a wake-word server for Home Assistant and voice satellites."""

from __future__ import annotations

import argparse
import signal

from kws.app.build import load_model
from kws.app.servers import make_wyoming
from kws.cli.flags import VERBOSE, Flag, add_decision_options, add_flags, add_model_options, configuration
from kws.common.logs import set_up
from kws.servers.settings import WyomingOptions
from kws.service.systemd import Notifier

_EXAMPLES = """\
  kws wyoming --keywords computer,jarvis               on this machine, for these wake words
  kws wyoming --keywords computer --uri tcp://0.0.0.0:10400    for other machines too
  kws wyoming --threshold computer=0.6                 with a threshold of its own
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"examples:\n{_EXAMPLES}"
    uri = Flag("--uri", "wyoming.uri", "URI", "where to listen, tcp://HOST:PORT; without it tcp://127.0.0.1:10400")
    add_flags(parser, uri, VERBOSE)
    add_model_options(parser)
    add_decision_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    options.said = [("kws wyoming", "wyoming.uri", WyomingOptions().uri), *options.said]
    config = configuration(options)
    set_up(config.log, times=True)
    numbers = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)  # before there are other threads, which inherit it
    server = make_wyoming(config, load_model(config))
    Notifier().ready()
    try:
        signal.sigwait(numbers)
    finally:
        server.close()
    return 0
