"""``kws listen``: keywords in a microphone, a recording or a pipe, one line each."""

from __future__ import annotations

import argparse
import csv
import json
import logging
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from kws.cli.flags import PUBLISHING, SOUND, Flag, add_flags, configuration
from kws.cli.options import add_command, add_decision_options, add_model_options
from kws.common.logs import set_up
from kws.errors import UsageError

if TYPE_CHECKING:
    from kws.config import Config
    from kws.decision import NearMiss
    from kws.inference.model import Model
    from kws.pipeline.pipeline import Scored
    from kws.publishers import Dispatcher

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

#: Every keyword, said by synthetic voices; ``demo.tsv`` beside it tells where.
DEMO = Path(__file__).parent.parent / "data" / "demo.flac"

#: Seconds that the commands for a recording may take.
_ALL_DAY = 86400.0

FORMAT = Flag("--format", "stdout.format", "FORMAT", "of the lines: json, text or tsv; without it json")
NEAR_MISSES = Flag("-v", "log.level", "", "log near misses and why they did not fire", value="debug")
EVERY_WINDOW = Flag(
    "--every-window",
    "model.skip_silence",
    "",
    "ask the network in silence too, where nothing but the noise floor is heard; --scores does so as well",
    value="false",
)

_log = logging.getLogger(__name__)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(commands, "listen", summary="spot keywords, one line on stdout for each", examples=_EXAMPLES)
    parser.add_argument(
        "input",
        nargs="?",
        metavar="INPUT",
        help="an audio file (WAV, FLAC, Ogg), or - for standard input (WAV or raw PCM); without it the microphone",
    )
    parser.add_argument("--demo", action="store_true", help="listen to the demo recording that ships with kws")
    add_flags(parser, FORMAT, EVERY_WINDOW, NEAR_MISSES)
    parser.add_argument(
        "--scores",
        metavar="FILE",
        help="write the posteriors of every window there: JSON Lines, or CSV if the name ends in .csv; - is stderr",
    )
    add_flags(parser.add_argument_group("sound"), *SOUND)
    add_model_options(parser)
    add_decision_options(parser)
    group = parser.add_argument_group("publishing", "Besides the lines on standard output; more of it: kws run.")
    add_flags(group, *PUBLISHING)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.demo:
        if options.input is not None:
            raise UsageError(f"--demo is a recording of its own; leave out {options.input}")
        options.input = str(DEMO)
    from kws.app.build import load_model, make_pipeline, source_maker  # noqa: PLC0415
    from kws.publishers.formats import FORMATS  # noqa: PLC0415

    config = _configuration(options)
    set_up(config.log)
    chosen = config.sources[0]
    model = load_model(config)
    pipeline = make_pipeline(config, chosen, model)
    assert config.stdout
    line = FORMATS[config.stdout.format]
    with ExitStack() as stack:
        source = stack.enter_context(source_maker(config, chosen, hop=pipeline.settings.hop)())
        dispatcher = stack.enter_context(_publishing(config, model, live=source.live))
        write_scores = _score_writer(options.scores, model, stack) if options.scores else None
        if chosen.input is None:
            _log.info("listening to %s for %s", source.name, ", ".join(pipeline.settings.listened))
        for step in pipeline.run(source):
            if write_scores and step.scored:
                write_scores(step.scored)
            for fired in step.decision.fired:
                detection = pipeline.detection(fired)
                print(line(detection), flush=True)
                dispatcher.put(detection)
            for miss in step.decision.near_misses:
                _log.debug("%s", _describe(miss, model.front_end.sample_rate))
    return 0


def _configuration(options: argparse.Namespace) -> Config:
    """Return the configuration of the flags, over what is the default for this command."""
    flags = {path for _, path, _ in options.said}
    if "mqtt.site" in flags and "mqtt.url" not in flags:
        raise UsageError("--site goes with --mqtt")
    options.said = [("kws listen", "stdout.format", "json"), *options.said]
    if options.input is not None:
        options.said.append(("INPUT", "source.input", options.input))
    if options.scores:
        options.said.append(("--scores", "model.skip_silence", "false"))
    return configuration(options)


@contextmanager
def _publishing(config: Config, model: Model, *, live: bool) -> Iterator[Dispatcher]:
    """Run the publishers besides standard output for as long as the block lasts.

    Args:
        config: what to publish to.
        model: whose keywords are published.
        live: False for a recording, whose detections are never late: each has its command run.
    """
    from kws.app.build import make_command, make_mqtt  # noqa: PLC0415
    from kws.publishers import Dispatcher, PublisherWorker  # noqa: PLC0415
    from kws.publishers.dispatcher import MAX_AGE, QUEUE  # noqa: PLC0415

    queue = QUEUE if live else sys.maxsize
    workers = []
    if config.exec and (command := make_command(config, model)):
        workers.append(PublisherWorker(command, max_age=config.exec.max_age if live else math.inf, queue=queue))
    if config.mqtt and (mqtt := make_mqtt(config, config.sources[0], model)):
        mqtt.start()
        workers.append(PublisherWorker(mqtt, max_age=config.mqtt.max_age, queue=queue))
    dispatcher = Dispatcher(workers)
    try:
        yield dispatcher
    except BaseException:
        dispatcher.close(timeout=0)
        raise
    dispatcher.close(timeout=MAX_AGE if live else _ALL_DAY)


def _describe(miss: NearMiss, sample_rate: int) -> str:
    return (
        f"{miss.end / sample_rate:.2f} s: {miss.keyword} came to {miss.score:.2f} of {miss.threshold:.2f} "
        f"and did not fire: {miss.reason}"
    )


def _score_writer(name: str, model: Model, stack: ExitStack) -> Callable[[Scored], None]:
    file: TextIO
    if name == "-":
        file = sys.stderr
    else:
        try:
            file = stack.enter_context(Path(name).open("w", encoding="utf-8", newline=""))  # noqa: SIM115 - the stack closes it
        except OSError as error:
            raise UsageError(f"--scores {name}: {error.strerror}") from error

    def values(scored: Scored) -> dict[str, float]:
        posteriors = zip(model.labels, scored.posteriors.tolist(), strict=True)
        head = {"end": scored.end / model.front_end.sample_rate, "level": round(scored.level, 1)}
        return head | {label: round(value, 4) for label, value in posteriors}

    if name.endswith(".csv"):
        table = csv.DictWriter(file, ["end", "level", *model.labels], lineterminator="\n")
        table.writeheader()
        return lambda scored: table.writerow(values(scored))
    return lambda scored: print(json.dumps(values(scored)), file=file)
