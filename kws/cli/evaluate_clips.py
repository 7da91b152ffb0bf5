"""``kws evaluate clips``: accuracy and confusion on labelled clips."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from kws.cli.flags import (
    add_folders,
    add_json,
    add_model_options,
    check_snr,
    model_and_settings,
    names,
    progress_bar,
)
from kws.corpus.word_folders import is_run
from kws.errors import UsageError
from kws.evaluation.clips import ClipResult, evaluate_clips, false_accepts
from kws.evaluation.conditions import Conditions, simulate_rooms
from kws.evaluation.mix import find_noise
from kws.types import Float32Array

_EXAMPLES = """\
  kws evaluate clips speech_commands/validation --noise noise
  kws evaluate clips speech_commands/validation --under noise --under-only rain,dishes --snr 5 --room 0.4
  kws evaluate clips runs/mine --model models/mine                  what the training held out
  kws evaluate clips my_recordings --model commands/model-float32.tflite --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"examples:\n{_EXAMPLES}"
    parser.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        help="DIR/WORD/*.wav, .flac or .ogg, or what lies below validation/ or test/; words that the model does not "
        "know count as unknown. Or the folder of kws train: the clips that it held out, and the false accepts in the "
        "held-out words and sentences that come with kws",
    )
    add_folders(
        parser,
        "--noise",
        "recordings from which silence is cut: a tenth as many seconds as there are clips; may be repeated",
    )
    harder = parser.add_argument_group("harder conditions")
    add_folders(harder, "--under", "noise under every clip")
    harder.add_argument("--under-only", metavar="A,B,...", help="only these folders or files of the noise")
    harder.add_argument(
        "--snr",
        type=float,
        metavar="DB",
        help="level of each word above the noise under it, by root mean squares (default: 10)",
    )
    harder.add_argument(
        "--room",
        type=float,
        metavar="S",
        help="simulate living rooms with so many seconds of reverberation (to -60 dB), 1 to 3 m from the microphone",
    )
    parser.add_argument("--mistakes", action="store_true", help="list every wrong clip")
    add_json(parser)
    add_model_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    model, settings = model_and_settings(options)
    with progress_bar("Listening") as progress:
        result = evaluate_clips(
            model, options.folder, noise=options.noise, conditions=_conditions(options), progress=progress
        )
    accepts = false_accepts(model, settings) if is_run(options.folder) else None
    if options.json:
        report = _as_dict(result, model.name, mistakes=options.mistakes)
        if accepts:
            report |= {"false_accepts": accepts[0], "negative_seconds": round(accepts[1], 1)}
        print(json.dumps(report, indent=2))
    else:
        _print(result, mistakes=options.mistakes)
        if accepts:
            count, seconds = accepts
            print(f"{count} false accepts in {seconds:.0f} s of other words and sentences (synthetic voices)")
    return 0


def _conditions(options: argparse.Namespace) -> Callable[[Float32Array], Float32Array] | None:
    if not options.under and (options.under_only or options.snr is not None):
        raise UsageError("--snr and --under-only need noise under the clips: name some with --under DIR")
    if not options.under and options.room is None:
        return None
    snr = 10.0 if options.snr is None else options.snr
    check_snr(snr)
    noise = find_noise(options.under, names(options.under_only, "--under-only")) if options.under else []
    return Conditions(noise=noise, snr=snr, rooms=[] if options.room is None else simulate_rooms(options.room))


def _as_dict(result: ClipResult, model: str, *, mistakes: bool) -> dict[str, Any]:
    report: dict[str, Any] = {
        "model": model,
        "clips": result.clips,
        "accuracy": result.accuracy,
        "worst": result.worst(),
        "recall": {label: result.recall(i) for i, label in enumerate(result.labels)},
        "labels": result.labels,
        "confusion": result.confusion.tolist(),
    }
    if mistakes:
        names = ("clip", "said", "heard", "score")
        report["mistakes"] = [dict(zip(names, mistake, strict=True)) for mistake in result.mistakes]
    return report


def _print(result: ClipResult, *, mistakes: bool) -> None:
    table = Table("said", "clips", "right", *result.labels, box=box.SIMPLE, header_style="")
    for column in table.columns[1:]:
        column.justify = "right"
    for i, label in enumerate(result.labels):
        counts = (str(count) if count else "." for count in result.confusion[i])
        recall = result.recall(i)
        share = "" if recall is None else f"{recall:.1%}"
        table.add_row(label, str(result.confusion[i].sum()), share, *counts)
    console = Console(width=max(100, 12 * len(result.labels)), markup=False, highlight=False)
    console.print(table)
    console.print(f"accuracy {result.accuracy:.2%} of {result.clips} clips")
    if result.worst():
        console.print("worst: " + ", ".join(f"{said} heard as {heard} {n}x" for said, heard, n in result.worst()))
    if mistakes:
        for clip, said, heard, score in result.mistakes:
            console.print(f"{clip}: {said} heard as {heard} ({score:.2f})", soft_wrap=True)
