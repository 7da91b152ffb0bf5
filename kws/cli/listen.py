"""``kws listen``: keywords in a microphone, a recording or a pipe, one line each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from kws.app.console import ConsoleObserver, open_scores, score_writer
from kws.app.service import make_service, run_service
from kws.cli.flags import PUBLISHING, SOUND, Flag, add_decision_options, add_flags, add_model_options, configuration
from kws.common.logs import set_up
from kws.config.schema import Config
from kws.errors import UsageError
from kws.publishers.observer import Observers
from kws.publishers.worker import total
from kws.service.service import Service

if TYPE_CHECKING:
    from kws.app.live import LiveView
    from kws.pipeline.pipeline import Pipeline
    from kws.servers.monitor import Monitor
    from kws.service.listener import Listener

_EXAMPLES = """\
  kws listen                                   the default microphone
  kws listen --device "USB Audio" --channel 1  one channel of another
  kws listen recording.flac --format text      a recording, for reading
  ffmpeg -v error -i talk.mp4 -f wav - | kws listen -
  arecord -q -t raw -f S16_LE -r 44100 -c 2 | kws listen - --rate 44100 --channels 2
  kws listen --wake-word computer              commands count for 5 s after "computer"
  kws listen --mqtt mqtt://broker --site desk  publish to a broker too, on kws/desk/detection
  kws listen --exec 'say {keyword}'            run a command for each detection
"""

#: Every keyword, said by synthetic voices; ``demo.tsv`` beside it says where.
DEMO = Path(__file__).parent.parent / "data" / "demo.flac"

_LINES = (
    Flag("--format", "stdout.format", "FORMAT", "of the lines: json, text or tsv; without it json"),
    Flag("--monitor", "monitor.port", "PORT", "show a live page at http://127.0.0.1:PORT/"),
    Flag("-v", "log.level", "", "log near misses and why they did not fire", value="debug"),
    Flag(
        "--every-window",
        "model.skip_windows",
        "",
        "ask the network in silence too, where nothing but the noise floor is heard; --scores does so as well",
        value="false",
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"examples:\n{_EXAMPLES}"
    parser.add_argument(
        "input",
        nargs="?",
        metavar="INPUT",
        help="an audio file (WAV, FLAC, Ogg), or - for standard input (WAV or raw PCM); without it the microphone",
    )
    parser.add_argument("--demo", action="store_true", help="listen to the demo recording that ships with kws")
    parser.add_argument(
        "--scores",
        metavar="FILE",
        help="write the posteriors of every window there: JSON Lines, or CSV if the name ends in .csv; - is stderr",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="show the level, the best three keywords and what was heard, in the terminal; no lines are printed there",
    )
    add_flags(parser, *_LINES)
    add_flags(parser.add_argument_group("sound"), *SOUND)
    add_model_options(parser)
    add_decision_options(parser)
    group = parser.add_argument_group("publishing", "Besides the lines on standard output; more of it: kws run.")
    add_flags(group, *PUBLISHING)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    config = _configuration(options)
    set_up(config.log)
    assert config.stdout
    observer = ConsoleObserver(config.stdout.format)
    services: list[Service] = []
    monitor = _monitor(config, lambda: services[0].listeners if services else ()) if config.monitor else None
    live = _live_view(lambda: services[0].listeners[0].place.pipeline) if options.live else None
    # On a terminal, lines would break the live view, which shows the same.
    printed = None if live and sys.stdout.isatty() else observer
    service = make_service(lambda: config, Observers(filter(None, (printed, monitor, live))), once=True)
    services.append(service)
    observer.stop = service.stop
    file = open_scores(options.scores) if options.scores else None
    if file:
        observer.scores = score_writer(file, service.listeners[0].place.pipeline.model)
    try:
        with live or nullcontext():
            ended = run_service(service, lambda: config)
    finally:
        if monitor:
            monitor.close(wait=False)
        if file and options.scores != "-":
            file.close()
    if observer.failure:
        raise observer.failure
    if ended:
        return 128 + ended
    return 1 if total(service.workers).dropped else 0  # the log says why


def _monitor(config: Config, listeners: Callable[[], Sequence[Listener]]) -> Monitor:
    from kws.app.servers import make_monitor  # noqa: PLC0415

    return make_monitor(config, listeners)


def _live_view(pipeline: Callable[[], Pipeline]) -> LiveView:
    """Return the live view.

    Raises:
        UsageError: there is no terminal.
    """
    from kws.app.live import LiveView  # noqa: PLC0415

    if not sys.stderr.isatty():
        raise UsageError("--live needs a terminal for standard error")
    return LiveView(pipeline)


def _configuration(options: argparse.Namespace) -> Config:
    """Return the configuration of the flags, over the defaults of this command."""
    if options.demo:
        if options.input is not None:
            raise UsageError(f"--demo is a recording of its own; leave out {options.input}")
        options.input = str(DEMO)
    paths = {path for _, path, _ in options.said}
    if "mqtt.site" in paths and "mqtt.url" not in paths:
        raise UsageError("--site goes with --mqtt")
    defaults = [("kws listen", "stdout.format", "json")]
    if options.input is not None:
        # For a recording or a pipe the lines on standard output are enough.
        defaults += [("INPUT", "source.input", options.input), ("kws listen", "log.level", "warning")]
    else:
        defaults.append(("kws listen", "watch.silence", "5"))  # who tries a muted microphone waits no longer
    if options.scores:
        defaults.append(("--scores", "model.skip_windows", "false"))
    options.said = [*defaults, *options.said]
    return configuration(options)
