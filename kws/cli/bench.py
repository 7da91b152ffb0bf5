"""``kws bench``: the cost of listening on this machine."""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import asdict
from typing import Any

from kws.cli.flags import (
    add_decision_options,
    add_json,
    add_model_options,
    add_number,
    configuration,
    model_and_settings,
)
from kws.errors import UsageError
from kws.evaluation.bench import Cost, measure

_EXAMPLES = """\
  kws bench
  kws bench --model commands/model-float32.tflite --interpreter tflite-runtime --threads 2 --json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = f"examples:\n{_EXAMPLES}"
    add_number(parser, "--seconds", 30.0, "of sound in each run", "S")
    add_number(parser, "--runs", 5, "of which the median counts", "N")
    add_json(parser)
    add_model_options(parser)
    add_decision_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if not 2 <= options.seconds <= 3600 or not 1 <= options.runs <= 1000:
        raise UsageError("--seconds must be from 2 to 3600 and --runs from 1 to 1000")
    model, settings = model_and_settings(options)
    threads = configuration(options).model.threads
    cost = measure(model, settings, seconds=options.seconds, runs=options.runs)
    where = {
        "model": model.name,
        "network": model.path.name,
        "interpreter": model.network.interpreter,
        "threads": threads,
        "hop": settings.hop,
        "machine": platform.machine(),
    }
    if options.json:
        print(json.dumps(where | asdict(cost), indent=2))
    else:
        _print(where, cost)
    return 0


def _print(where: dict[str, Any], cost: Cost) -> None:
    threads = f"{where['threads']} thread" + ("" if where["threads"] == 1 else "s")
    print(
        f"{where['model']}/{where['network']}, {where['interpreter']}, {threads}, "
        f"a window every {where['hop'] * 1000:g} ms"
    )
    print("processor time for a second of sound, part by part, caches warm:")
    for part, seconds in cost.parts.items():
        print(f"  {part:<11} {seconds * 1000:7.3f} ms")
    print(f"  {'in all':<11} {cost.total * 1000:7.3f} ms, {1 / cost.total:.0f} times real time")
    print(f"a window takes {cost.window_median * 1000:.2f} ms (median), {cost.window_99 * 1000:.2f} ms (99 %)")
    print(f"a recording is heard at {1 / cost.file:.0f} times real time")
    print(f"memory {cost.memory / 1e6:.0f} MB")
