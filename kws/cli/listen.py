"""``kws listen``: keywords in a microphone, a recording or a pipe, one line each."""

from __future__ import annotations

import argparse
import csv
import json
import logging
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from kws.cli.options import add_command, add_decision_options, add_model_options, decision_settings, load_model
from kws.cli.publishing import add_publisher_options, publishing
from kws.errors import UsageError

if TYPE_CHECKING:
    from kws.audio.source import Source
    from kws.decision import NearMiss
    from kws.inference.model import Model
    from kws.pipeline.pipeline import Scored

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
    parser.add_argument(
        "--format", choices=("json", "text", "tsv"), default="json", help="of the lines (default: %(default)s)"
    )
    parser.add_argument(
        "--scores",
        metavar="FILE",
        help="write the posteriors of every window there: JSON Lines, or CSV if the name ends in .csv; - is stderr",
    )
    parser.add_argument(
        "--every-window",
        action="store_true",
        help="ask the network in silence too, where nothing but the noise floor is heard; --scores does so as well",
    )
    parser.add_argument("-v", "--verbose", action="count", default=0, help="log near misses and why they did not fire")
    add_source_options(parser)
    add_model_options(parser)
    add_decision_options(parser)
    add_publisher_options(parser)
    parser.set_defaults(run=run)


def add_source_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("sound")
    group.add_argument("--device", metavar="NAME", help="a microphone's name, part of it, or its index: kws devices")
    group.add_argument("--channel", type=int, metavar="N", help="the channel to hear, from 1 (default: the mix of all)")
    group.add_argument("--rate", type=int, metavar="HZ", help="samples a second of raw PCM, or of the microphone")
    group.add_argument("--channels", type=int, metavar="N", help="interleaved channels of raw PCM (default: 1)")
    group.add_argument("--sample-format", metavar="FORMAT", help="of raw PCM: s16le, s32le or f32le (default: s16le)")


def make_source(options: argparse.Namespace, hop: float) -> Source:
    """The source that the options name, not open yet, for windows so many seconds apart."""
    from kws.audio.open import open_source  # noqa: PLC0415

    return open_source(
        options.input,
        device=options.device,
        channel=options.channel,
        rate=options.rate,
        channels=options.channels,
        sample_format=options.sample_format,
        hop=hop,
    )


def run(options: argparse.Namespace) -> int:
    if options.demo:
        if options.input is not None:
            raise UsageError(f"--demo is a recording of its own; leave out {options.input}")
        options.input = str(DEMO)
    from kws.pipeline.pipeline import Pipeline  # noqa: PLC0415
    from kws.publishers.formats import FORMATS  # noqa: PLC0415

    model = load_model(options)
    skip_silence = not (options.every_window or options.scores)
    pipeline = Pipeline(model, decision_settings(options, model), skip_silence=skip_silence)
    line = FORMATS[options.format]
    with ExitStack() as stack:
        source = stack.enter_context(make_source(options, pipeline.settings.hop))
        dispatcher = stack.enter_context(publishing(options, model, live=source.live))
        write_scores = _score_writer(options.scores, model, stack) if options.scores else None
        if options.input is None:
            _log.info("listening to %s for %s", source.name, ", ".join(model.description.keywords))
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
