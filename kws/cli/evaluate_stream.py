"""``kws evaluate stream``: misses, false accepts and latency on long recordings, and the cost of each threshold."""

from __future__ import annotations

import argparse
import json
import sys
from itertools import product
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from kws.cli.flags import add_decision_options, add_folders, add_json, add_model_options, add_number, model_and_settings
from kws.errors import UsageError
from kws.evaluation.choose import as_toml, describe
from kws.evaluation.report import check_report_libraries, page
from kws.evaluation.scoring import ScoredStream, StreamScorer
from kws.evaluation.stream import Evaluation, evaluate
from kws.evaluation.stream_json import as_dict
from kws.evaluation.stream_text import print_evaluation
from kws.inference.model import Model

_EXAMPLES = """\
  kws evaluate stream living_room.flac living_room.tsv
  kws evaluate stream stream.flac stream.tsv --negative librispeech --report report.html
  kws evaluate stream stream.flac stream.tsv --negative radio/ --budget 0.5 --write-thresholds kws-thresholds.toml
  kws evaluate stream stream.flac stream.tsv --settings kws-thresholds.toml --threshold stop=0.6
  kws evaluate stream stream.flac stream.tsv --negative speech/[1-4]* --hold-out speech/[5-9]*
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"examples:\n{_EXAMPLES}"
    parser.add_argument(
        "recordings",
        type=Path,
        nargs="*",
        metavar="AUDIO LABELS",
        help="recordings, each followed by its labels: lines of start, end (seconds) and word, separated by tabs, "
        "as Audacity exports them and kws mix writes them",
    )
    add_folders(
        parser,
        "--negative",
        "speech or other sound without labels, in which a keyword is a false accept; if there are transcripts "
        "(*.trans.txt as in LibriSpeech), a word in them is not",
        nargs="+",
    )
    add_folders(
        parser, "--hold-out", "more such sound, to check the recommended thresholds: none is chosen on it", nargs="+"
    )
    about = (
        "false accepts an hour, of all keywords together and away from labelled words, that the recommended "
        "thresholds may cost"
    )
    add_number(parser, "--budget", 1.0, about, "N")
    add_number(parser, "--tolerance", 0.75, "seconds after the end of a word in which its detection may come", "S")
    output = parser.add_argument_group("output")
    add_json(output)
    output.add_argument(
        "--report", type=Path, metavar="FILE", help="one page of HTML with plots; needs the extra 'report'"
    )
    output.add_argument(
        "--write-thresholds", type=Path, metavar="FILE", help="the recommended thresholds in TOML, for --settings"
    )
    output.add_argument("--cache", type=Path, metavar="DIR", help="keeps the model's posteriors for the next time")
    add_model_options(parser)
    add_decision_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    _check(options)
    model, settings = model_and_settings(options)
    if not settings.listened:
        raise UsageError("every keyword is switched off: there is nothing to evaluate")
    scorer = StreamScorer(model, settings.hop, cache=options.cache)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        streams, held_out = _score(scorer, options, progress)
        task = progress.add_task("Deciding", total=len(settings.listened))
        evaluation = evaluate(
            streams,
            settings,
            held_out=held_out,
            budget=options.budget,
            tolerance=options.tolerance,
            progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    _write(evaluation, model, options)
    return 0


def _check(options: argparse.Namespace) -> None:
    if len(options.recordings) % 2:
        raise UsageError("give each recording before its labels: AUDIO LABELS.tsv [AUDIO LABELS.tsv ...]")
    if not (options.recordings or options.negative):
        raise UsageError("nothing to hear: give recordings with labels, or --negative DIR")
    if not 0 < options.budget < float("inf"):
        raise UsageError(f"--budget {options.budget:g}: must be above 0")
    if not 0 <= options.tolerance <= 10:
        raise UsageError(f"--tolerance {options.tolerance:g}: between 0 and 10 seconds")
    if options.write_thresholds and not options.recordings:
        raise UsageError("--write-thresholds: thresholds are weighed against misses; give a recording with labels")
    if options.report:
        check_report_libraries()
    for path in (options.report, options.write_thresholds):
        if path and not path.absolute().parent.is_dir():
            raise UsageError(f"{path}: no such folder")
        if path and path.is_dir():
            raise UsageError(f"{path}: Is a directory")
    for known, unknown in product(options.negative, options.hold_out):
        first, second = known.resolve(), unknown.resolve()
        if first.is_relative_to(second) or second.is_relative_to(first):
            raise UsageError(f"--hold-out {unknown}: shares recordings with --negative {known}, and must not")


def _score(
    scorer: StreamScorer, options: argparse.Namespace, progress: Progress
) -> tuple[list[ScoredStream], list[ScoredStream]]:
    pairs = list(zip(options.recordings[::2], options.recordings[1::2], strict=True))
    folders = [*options.negative, *options.hold_out]
    whole = progress.add_task("Listening", total=len(pairs) + len(folders))
    streams = []
    for number, (first, second) in enumerate([*pairs, *((folder, None) for folder in folders)]):

        def note(done: float, total: float, number: int = number) -> None:
            progress.update(whole, completed=number + done / total)

        progress.update(whole, description=f"Listening to {first.name}", completed=number)
        streams.append(scorer.labelled(first, second, note) if second else scorer.plain(first, note))
    progress.update(whole, description="Listening", completed=len(streams))
    count = len(pairs) + len(options.negative)
    return streams[:count], streams[count:]


def _write(evaluation: Evaluation, model: Model, options: argparse.Namespace) -> None:
    about = {
        "model": model.name,
        "version": model.description.version,
        "network": model.path.name,
        "interpreter": model.network.interpreter,
    }
    if options.report:
        _save(options.report, page(evaluation, about))
    if options.write_thresholds:
        choice = evaluation.choice
        if not choice.picks:
            raise UsageError("--write-thresholds: none of the model's keywords is said in the recordings")
        _save(options.write_thresholds, as_toml(choice, describe(choice, evaluation.as_set.total.hours)))
    if options.json:
        print(json.dumps(about | as_dict(evaluation), indent=2))
    else:
        console = Console(width=None if sys.stdout.isatty() else 110)
        console.print(
            f"{about['model']} {about['version']}, {about['network']} ({about['interpreter']})", highlight=False
        )
        print_evaluation(evaluation, console)


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
