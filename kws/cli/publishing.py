"""Options of commands that publish what they hear without a configuration file."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from kws.errors import OptionError, UsageError

if TYPE_CHECKING:
    from kws.inference.model import Model
    from kws.publishers import Dispatcher, PublisherWorker

Made = TypeVar("Made")

#: Seconds that the commands for a recording may take.
_ALL_DAY = 86400.0


def add_publisher_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("publishing", "Besides the lines on standard output; more of it: kws run.")
    group.add_argument(
        "--mqtt",
        metavar="URL",
        help="publish to a broker: mqtt://[USER@]HOST[:PORT], mqtts:// (TLS), ws:// or wss://; "
        "the password comes from $KWS_MQTT_PASSWORD",
    )
    group.add_argument("--site", metavar="NAME", help="of the topics kws/NAME/... (default: the name of this host)")
    group.add_argument(
        "--exec",
        metavar="COMMAND",
        help="run a command for each detection, without a shell: 'say {keyword} {score}'",
    )


@contextmanager
def publishing(options: argparse.Namespace, model: Model, *, live: bool) -> Iterator[Dispatcher]:
    """The publishers that the options ask for, perhaps none, for as long as the block lasts.

    Args:
        options: of the command line.
        model: whose keywords are published.
        live: whether a detection can be late; those of a recording never are, and each has its command run.

    Raises:
        UsageError: an option cannot be.
    """
    from kws.publishers import Dispatcher  # noqa: PLC0415
    from kws.publishers.dispatcher import MAX_AGE  # noqa: PLC0415

    if options.site is not None and options.mqtt is None:
        raise UsageError("--site goes with --mqtt")
    try:
        workers = _workers(options, model, live=live)
    except UsageError as error:
        raise UsageError(_by_option(str(error))) from None
    dispatcher = Dispatcher(workers)
    try:
        yield dispatcher
    except BaseException:
        dispatcher.close(timeout=0)
        raise
    dispatcher.close(timeout=MAX_AGE if live else _ALL_DAY)


def _workers(options: argparse.Namespace, model: Model, *, live: bool) -> list[PublisherWorker]:
    from kws.publishers import CommandPublisher, ExecOptions, PublisherWorker  # noqa: PLC0415
    from kws.publishers.dispatcher import QUEUE  # noqa: PLC0415

    queue = QUEUE if live else sys.maxsize
    workers = []
    if options.exec is not None:
        commands = ExecOptions(command=options.exec)
        workers.append(
            PublisherWorker(
                _named("exec", lambda: CommandPublisher(commands)),
                max_age=commands.max_age if live else math.inf,
                queue=queue,
            )
        )
    if options.mqtt is not None:
        from kws.publishers.mqtt import MqttOptions, MqttPublisher  # noqa: PLC0415

        broker = MqttOptions(url=options.mqtt, site=options.site)
        version = model.description.version
        keywords = model.description.keywords
        mqtt = _named("mqtt", lambda: MqttPublisher(broker, keywords=keywords, model=model.name, model_version=version))
        mqtt.start()
        workers.append(PublisherWorker(mqtt, max_age=broker.max_age, queue=queue))
    return workers


def _named(table: str, make: Callable[[], Made]) -> Made:
    """Call a function, and name the table in its errors about options."""
    try:
        return make()
    except OptionError as error:
        raise error.inside(table) from None


def _by_option(problem: str) -> str:
    """What is wrong, by the name that it has on the command line."""
    for setting, option in (("exec.command", "--exec"), ("mqtt.url", "--mqtt"), ("mqtt.site", "--site")):
        if problem.startswith(setting):
            return option + problem.removeprefix(setting)
    return problem
