"""``kws bench``: what listening costs on this machine."""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import asdict

from kws.cli.options import add_command, add_decision_options, add_model_options, decision_settings, load_model
from kws.errors import UsageError

_EXAMPLES = """\
  kws bench
  kws bench --model commands/model-float32.tflite --interpreter tflite-runtime --json
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands, "bench", summary="measure the cost of a second of sound on this machine", examples=_EXAMPLES
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="of sound in each run (default: %(default)g)")
    parser.add_argument("--runs", type=int, default=5, help="of which the median counts (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    add_model_options(parser)
    add_decision_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from kws.evaluation.bench import measure  # noqa: PLC0415

    if not 2 <= options.seconds <= 3600 or not 1 <= options.runs <= 1000:
        raise UsageError("--seconds must be from 2 to 3600 and --runs from 1 to 1000")
    model = load_model(options)
    settings = decision_settings(options, model)
    cost = measure(model, settings, seconds=options.seconds, runs=options.runs)
    if options.json:
        where = {
            "model": model.name,
            "network": model.path.name,
            "interpreter": model.network.interpreter,
            "threads": options.threads,
            "hop": settings.hop,
            "machine": platform.machine(),
        }
        print(json.dumps(where | asdict(cost), indent=2))
        return 0
    print(f"{model.name}/{model.path.name}, {model.network.interpreter}, a window every {settings.hop * 1000:g} ms")
    print("processor time for a second of sound, on one core:")
    for part, seconds in cost.parts.items():
        print(f"  {part:<11} {seconds * 1000:7.3f} ms")
    print(f"  {'in all':<11} {cost.total * 1000:7.3f} ms, {1 / cost.total:.0f} times real time")
    print(f"a window takes {cost.window_median * 1000:.2f} ms (median), {cost.window_99 * 1000:.2f} ms (99 %)")
    print(f"memory {cost.memory / 1e6:.0f} MB")
    return 0
