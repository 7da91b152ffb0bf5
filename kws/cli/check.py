"""``kws check``: the configuration, the model, the microphone and the broker, each tried."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

from kws.cli.configuration import add_config_options, configuration
from kws.cli.options import add_command
from kws.errors import KwsError, UsageError

if TYPE_CHECKING:
    from kws.config import Config, SourceOptions
    from kws.publishers.mqtt import MqttOptions
    from kws.sources import Source
    from kws.values import Float32Array

_EXAMPLES = """\
  kws check && systemctl restart kws
  kws check --config kitchen.toml --json | jq -r '.[] | select(.ok | not) | .detail'
"""

#: Seconds of sound that a microphone has to deliver.
_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one part.

    Attributes:
        part: its name.
        ok: whether it works.
        detail: what was found, or what is wrong and how to mend it.
        code: the exit code that it asks for.
    """

    part: str
    ok: bool
    detail: str
    code: int = 0


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = add_command(
        commands, "check", summary="try the configuration, model, microphone and broker", examples=_EXAMPLES
    )
    add_config_options(parser)
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    results: list[Result] = []

    def attempt(part: str, what: Callable[[], str]) -> None:
        try:
            result = Result(part=part, ok=True, detail=what())
        except KwsError as error:
            result = Result(part=part, ok=False, detail=str(error), code=error.exit_code)
        results.append(result)
        if not options.json:
            print(f"{'ok  ' if result.ok else 'FAIL'}  {part}: {result.detail}", flush=True)

    attempt("configuration", lambda: str(configuration(options).path))
    if results[0].ok:
        config = configuration(options)
        attempt("model", lambda: _model(config))
        for number, source in enumerate(config.sources, 1):
            which = f"[{number}]" if len(config.sources) > 1 else ""
            attempt(f"source{which}", partial(_source, config, source))
            attempt(f"publishers{which}", partial(_publishers, config, source))
            mqtt, _, _ = config.publishing(source)
            if mqtt is not None:
                attempt(f"broker{which}", partial(_broker, mqtt))
    if options.json:
        print(json.dumps([asdict(result) for result in results], indent=2))
    return max(result.code for result in results)


def _model(config: Config) -> str:
    from kws.assembly import load_model, make_pipeline  # noqa: PLC0415

    model = load_model(config)
    for source in config.sources:
        make_pipeline(config, source, model)
    description = model.description
    return f"{description.name} {description.version} with {len(description.keywords)} keywords"


def _source(config: Config, options: SourceOptions) -> str:
    from kws.assembly import source_maker  # noqa: PLC0415

    make_source = source_maker(config, options)
    if options.input == "-":
        return "standard input, not tried"
    with make_source() as source:
        if options.input is not None:
            return f"{source.name} at {source.rate} Hz"
        return f"{source.name} at {source.rate} Hz, {_level(source)}"


def _level(source: Source) -> str:
    """How loud the first half second is; there must be one."""
    import numpy as np  # noqa: PLC0415

    heard: list[Float32Array] = []
    for block in source.blocks():
        heard.append(block.samples)
        if block.end >= _SECONDS * source.rate:
            break
    power = float(np.mean(np.concatenate(heard) ** 2))
    if power == 0:
        return "but it is digitally silent; is it muted?"
    return f"level {10 * np.log10(power):.0f} dB"


def _publishers(config: Config, source: SourceOptions) -> str:
    from kws.assembly import load_model, make_publishers  # noqa: PLC0415

    publishers = make_publishers(config, source, load_model(config))
    if publishers.command is not None:
        for program in publishers.command.programs:
            if shutil.which(program) is None:
                raise UsageError(f"{config.path}: exec: there is no program {program!r}")
    names = [publisher.name for publisher in (publishers.command, publishers.lines, publishers.mqtt) if publisher]
    return ", ".join(names)


def _broker(options: MqttOptions) -> str:
    from kws.publishers.mqtt.forget import open_session  # noqa: PLC0415
    from kws.publishers.mqtt.session import ConnectError  # noqa: PLC0415
    from kws.publishers.mqtt.settings import parse_broker, site_name  # noqa: PLC0415

    broker = parse_broker(options)
    site = site_name(options)
    try:
        open_session(options).close()
    except ConnectError as error:
        raise ConnectError(f"{broker}: {error}") from None
    user = f" as user {broker.user}" if broker.user is not None else ""
    return f"{broker}{user}, site {site}"
