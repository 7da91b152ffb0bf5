"""``kws scan``: keywords in many recordings, on all cores or on a cluster."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from kws.app.build import load_model, make_pipeline
from kws.app.scan.engines import Cluster, Cores, Engine
from kws.app.scan.output import as_json_lines, check_output, write_output
from kws.app.scan.progress import ProgressFile
from kws.app.scan.recordings import Recording, find_recordings
from kws.app.scan.scan import scan, settings
from kws.app.scan.work import Job, Outcome
from kws.cli.flags import SOUND, add_decision_options, add_flags, add_model_options, configuration, progress_bar
from kws.errors import UsageError

_EXAMPLES = """\
  kws scan recordings --out found.csv                    a folder, on all cores; the same command again goes on
  kws scan january february call.flac --out found.jsonl  several folders and files, JSON Lines
  kws scan recordings --keywords computer                one line on stdout for each detection
  kws scan recordings --out found.csv --scheduler tcp://host:8786    on a Dask cluster
"""

#: The exit code of a scan that could not read some of the recordings.
INCOMPLETE = 3

_log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"examples:\n{_EXAMPLES}"
    parser.add_argument("places", nargs="+", metavar="DIR", help="a folder of recordings, or a recording")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the detections, .jsonl or .csv; without it they go to stdout"
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="processes (default: one for each core)")
    parser.add_argument(
        "--scheduler", metavar="URL", help="scan on the Dask cluster with this scheduler, tcp://HOST:PORT"
    )
    add_flags(parser.add_argument_group("sound"), *(one for one in SOUND if one.option in ("--gain", "--channel")))
    add_model_options(parser)
    add_decision_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.out:
        check_output(options.out)
    if options.jobs is not None and (options.jobs < 1 or options.scheduler):
        raise UsageError(f"--jobs {options.jobs}: must be 1 or more, and does not go with --scheduler")
    config = configuration(options)
    model = load_model(config)
    make_pipeline(config, config.sources[0], model)  # wrong settings are found now
    job = Job(config, model.key)
    recordings, problems = find_recordings(options.places)
    for problem in problems:
        _log.warning("%s", problem)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if options.out is None:
        incomplete = _scan(options, job, recordings, _printer(recordings))
    else:
        with ProgressFile(options.out, settings(config, model)) as progress:
            left = [one for one in recordings if not progress.is_done(one)]
            if len(left) < len(recordings):
                _log.info("%d of %d recordings were scanned before", len(recordings) - len(left), len(recordings))
            # The longest first, so that all processes end at the same time.
            left.sort(key=lambda one: -one.size)
            try:
                incomplete = _scan(options, job, left, progress.add)
            except (KeyboardInterrupt, SystemExit):
                _log.warning("interrupted; the same command goes on from here")
                raise
            write_output(options.out, progress.named(recordings))
    return INCOMPLETE if incomplete or problems else 0


def _scan(
    options: argparse.Namespace, job: Job, recordings: Sequence[Recording], take: Callable[[Outcome], None]
) -> int:
    """Scan recordings, hand on each outcome, and return how many have a problem."""
    if not recordings:
        return 0
    begun = time.monotonic()
    total, done = sum(one.size for one in recordings), 0
    seconds, detections, incomplete = 0.0, 0, 0
    with (
        _engine(options, len(recordings)) as engine,
        progress_bar(f"scanning {len(recordings)} recordings") as show,
    ):
        for outcome in scan(engine, job, recordings):
            take(outcome)
            for line in filter(None, (*outcome.warnings, outcome.problem)):
                _log.warning("%s", line)
            incomplete += outcome.problem is not None
            seconds += outcome.seconds
            detections += len(outcome.detections)
            done += outcome.size
            show(done, total)
    took = time.monotonic() - begun
    _log.info(
        "%d recordings, %.2f h of sound, in %.0f s (%.0f times real time): %d detections%s",
        len(recordings), seconds / 3600, took, seconds / took, detections,
        f"; {incomplete} could not be read to the end" if incomplete else "",
    )  # fmt: skip
    return incomplete


def _engine(options: argparse.Namespace, most: int) -> Engine:
    if options.scheduler:
        return Cluster(options.scheduler)
    return Cores(min(most, options.jobs or len(os.sched_getaffinity(0))))


def _printer(recordings: Iterable[Recording]) -> Callable[[Outcome], None]:
    """Return a function that prints the detections of outcomes, in the order of the recordings."""
    order, waiting = deque(recordings), dict[str, Outcome]()

    def take(outcome: Outcome) -> None:
        waiting[outcome.path] = outcome
        while order and order[0].path in waiting:
            sys.stdout.write(as_json_lines(waiting.pop(order.popleft().path)))
        sys.stdout.flush()

    return take
