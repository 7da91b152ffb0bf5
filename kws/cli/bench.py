"""``kws bench``: the cost of listening on this machine."""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from kws.cli.flags import configuration
from kws.cli.options import add_command, add_decision_options, add_model_options, decision_settings, load_model
from kws.errors import UsageError

if TYPE_CHECKING:
    from kws.evaluation.bench import Cost
    from kws.evaluation.bench_process import ProcessCost

_EXAMPLES = """\
  kws bench
  kws bench --hop 0.1 --live 20             ... and a whole process, fed at the pace of sound for 20 s
  kws bench --model commands/model-float32.tflite --interpreter tflite-runtime --threads 2 --json
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands, "bench", summary="measure the cost of a second of sound on this machine", examples=_EXAMPLES
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="of sound in each run (default: %(default)g)")
    parser.add_argument("--runs", type=int, default=5, help="of which the median counts (default: %(default)s)")
    parser.add_argument(
        "--live",
        type=float,
        default=0.0,
        metavar="S",
        help="start kws listen too and feed it with S seconds of speech and of silence at their own pace: "
        "start-up, processor time and memory of the whole process",
    )
    parser.add_argument("--json", action="store_true", help="machine-readable")
    add_model_options(parser)
    add_decision_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from kws.evaluation.bench import measure  # noqa: PLC0415
    from kws.evaluation.bench_process import measure_process  # noqa: PLC0415

    if not 2 <= options.seconds <= 3600 or not 1 <= options.runs <= 1000:
        raise UsageError("--seconds must be from 2 to 3600 and --runs from 1 to 1000")
    if options.live and not 2 <= options.live <= 3600:
        raise UsageError("--live must be from 2 to 3600")
    model = load_model(options)
    settings = decision_settings(options, model)
    threads = configuration(options).model.threads
    process = None
    if options.live:
        arguments = ["--model", str(model.path), "--interpreter", model.network.interpreter]
        arguments += ["--threads", str(threads), "--hop", str(settings.hop)]
        process = measure_process(arguments, hop=settings.hop, seconds=options.live, runs=options.runs)
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
        print(json.dumps(where | asdict(cost) | {"process": asdict(process) if process else None}, indent=2))
    else:
        _print(where, cost, process)
    return 0


def _print(where: dict[str, Any], cost: Cost, process: ProcessCost | None) -> None:
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
    if process:
        print("kws listen as a process of its own, fed at the pace of sound:")
        print(
            f"  start-up    {process.start_up * 1000:7.0f} ms to the first window scored, "
            f"{process.start_up_processor * 1000:.0f} ms of them processor time"
        )
        print(f"  speech      {process.speech * 1000:7.3f} ms of processor time for a second of sound")
        print(f"  silence     {process.silence * 1000:7.3f} ms")
        print(f"  memory      {process.memory / 1e6:7.1f} MB")
