"""Options that several commands share; most stand for settings, and the configuration is made of them."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from kws.app.build import decision_settings, load_model
from kws.common.names import composed
from kws.common.tables import key_written, read_toml
from kws.config.overrides import Override, parse_set
from kws.config.places import find_config
from kws.config.reading import read_config
from kws.config.schema import Config
from kws.decision import DecisionSettings, read_options
from kws.errors import OptionError, UsageError
from kws.inference.model import Model


class Flag(NamedTuple):
    """A flag.

    Attributes:
        option: ``--rate``.
        path: the setting, ``source.rate``; values and ranges are those of the configuration.
        metavar: stands for the value in the help; empty for a flag without one.
        help: without the path, which follows it.
        value: of a flag that takes none.
        many: the flag may be repeated, and the values are a list.
    """

    option: str
    path: str
    metavar: str
    help: str
    value: str | None = None
    many: bool = False


_FILE = "commands/model-float32.tflite"
_BROKER = "mqtt://[USER@]HOST[:PORT], or mqtts://, ws:// or wss://; the password comes from $KWS_MQTT_PASSWORD"

#: Shorter flags for what is often tried with ``kws run``.
RUN = (
    Flag("--device", "source.device", "NAME", "the microphone, by name or index; see kws devices"),
    Flag("--site", "source.site", "NAME", "the place, in the topics kws/NAME/..."),
    Flag("--model", "model.name", "MODEL", "a model folder, or the name of a model that ships"),
    Flag("--mqtt", "mqtt.url", "URL", "the broker"),
    Flag("--log-format", "log.format", "FORMAT", "text or json"),
    Flag("--metrics", "metrics.port", "PORT", "figures for Prometheus at http://127.0.0.1:PORT/metrics"),
    Flag("--monitor", "monitor.port", "PORT", "the live page at http://127.0.0.1:PORT/"),
)

VERBOSE = Flag("-v", "log.level", "", "log more", value="debug")

SOUND = (
    Flag("--device", "source.device", "NAME", "a microphone's name, part of it, or its index: kws devices"),
    Flag("--wyoming", "source.wyoming", "URI", "a voice satellite whose microphone to hear, tcp://HOST:PORT"),
    Flag("--gain", "source.gain", "DB", "decibels by which the sound is made louder"),
    Flag("--channel", "source.channel", "N", "the channel to hear, from 1; without it the mix of all"),
    Flag("--rate", "source.rate", "HZ", "samples a second of raw PCM, or of the microphone"),
    Flag("--channels", "source.channels", "N", "interleaved channels of raw PCM; without it 1"),
    Flag("--sample-format", "source.sample_format", "FORMAT", "of raw PCM: s16le, s32le or f32le; without it s16le"),
)

MODEL = (
    Flag("--model", "model.name", "MODEL", f"a folder, a .tflite file in one, or a model that ships (or {_FILE})"),
    Flag("--interpreter", "model.interpreter", "NAME", "ai-edge-litert, tflite-runtime or tensorflow"),
    Flag("--threads", "model.threads", "N", "threads for one window"),
)

WORD = Flag("--word", "word", "FILE", "a word of your own beside the keywords, from kws enroll; repeatable", many=True)

DECISION = (
    Flag("--sensitivity", "decision.sensitivity", "S", "0 to 1, moves all thresholds: each is 1 less this"),
    Flag("--keywords", "decision.keywords", "A,B", "of the model's keywords listen for these only, or for none"),
    Flag("--smoothing", "decision.smoothing", "S", "seconds over which posteriors are averaged"),
    Flag("--patience", "decision.patience", "N", "windows in a row that must be at the threshold"),
    Flag("--refractory", "decision.refractory", "S", "seconds for which a keyword that fired does not fire again"),
    Flag("--hop", "decision.hop", "S", "seconds from one window to the next"),
    Flag("--wake-word", "gate.wake_words", "WORD", "other keywords count only after this one; repeatable", many=True),
    Flag("--wake-seconds", "gate.seconds", "S", "seconds for which they then count"),
    Flag("--wake-extend", "gate.extend", "", "each command that counts extends that time", value="true"),
    Flag("--isolated", "decision.quiet_before", "S", "only words after this many seconds of quiet count"),
    Flag("--speech-before", "decision.speech_before", "W", "share of its score that a word amid other words loses"),
    Flag("--speech-margin", "decision.speech_margin", "DB", "other words fainter than the word by more do not count"),
)

PUBLISHING = (
    Flag("--mqtt", "mqtt.url", "URL", f"publish to a broker, {_BROKER}"),
    Flag("--site", "mqtt.site", "NAME", "the place, in the topics kws/NAME/...; without it the name of this host"),
    Flag("--exec", "exec.command", "COMMAND", "run a command for each detection: 'say {keyword} {score}'"),
)


class Say(argparse.Action):
    """Keeps what a flag says, in order: ``options.said`` is a list of flag, path and value."""

    def __init__(self, *, flag: Flag, **arguments: Any) -> None:
        super().__init__(**{**arguments, "dest": argparse.SUPPRESS})
        self._flag = flag

    def __call__(
        self, _parser: argparse.ArgumentParser, options: argparse.Namespace, value: Any, _option: str | None = None
    ) -> None:
        option, path, *_ = self._flag
        if self._flag.many:
            value = [one for flag, _, values in options.said if flag == option for one in values] + [value]
        options.said = [*options.said, (option, path, self._flag.value or value)]


def add_flags(group: argparse._ActionsContainer, *flags: Flag) -> None:
    """Add flags to a parser or to a group of its options."""
    group.set_defaults(
        said=(), spelled={**(group.get_default("spelled") or {}), **{one.path: one.option for one in flags}}
    )
    for flag in flags:
        value: dict[str, Any] = {"metavar": flag.metavar} if flag.metavar else {"nargs": 0}
        group.add_argument(flag.option, action=Say, flag=flag, help=f"{flag.help} ({flag.path})", **value)


def add_config_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags of commands that go by a configuration file."""
    group = parser.add_argument_group("configuration", "Flags go before the file; without a file, over the defaults.")
    group.add_argument(
        "--config",
        metavar="FILE",
        help="the file (default: $KWS_CONFIG, else ~/.config/kws/kws.toml, else /etc/kws/kws.toml)",
    )
    group.add_argument(
        "--set",
        action=Say,
        flag=Flag("--set", "", "", ""),
        metavar="KEY=VALUE",
        help="any setting by its path, as mqtt.max_age=2, keyword.on.threshold=0.6 or source[2].device=USB; repeatable",
    )
    add_flags(group, *RUN)


def add_folders(group: argparse._ActionsContainer, option: str, about: str, *, nargs: str | None = None) -> None:
    """Add an option that names a folder, or several, and may be repeated; without it the list is empty."""
    action = "extend" if nargs else "append"
    group.add_argument(option, type=Path, nargs=nargs, action=action, default=[], metavar="DIR", help=about)


def add_number(group: argparse._ActionsContainer, option: str, default: float, about: str, metavar: str) -> None:
    """Add an option that takes a number of the same type as its default."""
    group.add_argument(
        option, type=type(default), default=default, metavar=metavar, help=f"{about} (default: {default:g})"
    )


def add_json(group: argparse._ActionsContainer) -> None:
    group.add_argument("--json", action="store_true", help="machine-readable, on stdout")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    add_flags(parser.add_argument_group("model"), *MODEL, WORD)


def add_decision_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("decision", "What is not said here is as the model recommends.")
    group.add_argument(
        "--threshold",
        action=Say,
        flag=Flag("--threshold", "decision.threshold", "", ""),
        metavar="[WORD=]X",
        help="score from which a keyword fires, for all or for one word; may be repeated "
        "(decision.threshold, keyword.WORD.threshold)",
    )
    add_flags(group, *DECISION)
    group.add_argument(
        "--settings", metavar="FILE", help="a TOML file with tables [decision], [keyword.WORD] and [gate]"
    )


def configuration(options: argparse.Namespace) -> Config:
    """Return the configuration of a command line; the file is read again with each call.

    Raises:
        UsageError: see :func:`kws.config.places.find_config` and :func:`kws.config.reading.read_config`.
    """
    said = [_override(*one) for one in options.said]
    if "config" in options:
        path = find_config(options.config)
        return read_config(path, said, {} if path else options.spelled)
    settings = getattr(options, "settings", None)
    return read_config(_checked(Path(settings)) if settings else None, said, options.spelled)


def _override(option: str, path: str, value: str | list[str] | list[dict[str, str]]) -> Override:
    if option == "--set":
        return parse_set(str(value))
    if option == "--word":
        value = [{"file": str(file)} for file in value]
    if option == "--keywords":
        value = [] if value == "none" else [word.strip() for word in str(value).split(",")]
    if option == "--threshold":
        word, separator, value = str(value).rpartition("=")
        path = f"keyword.{key_written(word)}.threshold" if separator else path
    return Override(option=option, key=path, value=value)


def _checked(path: Path) -> Path:
    """Check that a file holds nothing but decision settings, as ``--settings`` has it."""
    try:
        read_options(read_toml(path))
    except OptionError as error:
        raise UsageError(f"{path}: {error}") from None
    return path


def names(text: str | None, option: str) -> list[str] | None:
    """Return what an option lists between commas; None where it was not given.

    Raises:
        UsageError: it lists nothing.
    """
    if text is None:
        return None
    listed = [name.strip() for name in composed(text).split(",") if name.strip()]
    if not listed:
        raise UsageError(f"{option} names nothing")
    return listed


def check_snr(snr: float, option: str = "--snr") -> None:
    """Raise a UsageError for a signal-to-noise ratio, in decibels, that cannot be meant."""
    if not -60 <= snr <= 60:
        raise UsageError(f"{option} {snr:g}: between -60 and 60 decibels")


@contextmanager
def progress_bar(description: str) -> Iterator[Callable[[float, float], None]]:
    """Show a bar on a terminal while the block lasts; yield a function that takes what is done, and the total."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    console = Console(stderr=True)
    progress = Progress(
        console=console, transient=True, disable=not console.is_terminal, redirect_stdout=sys.stdout.isatty()
    )
    try:
        with progress:
            _log_to(sys.stderr)  # which now puts lines above the bar
            task = progress.add_task(description, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
    finally:
        _log_to(sys.stderr)


def _log_to(stream: TextIO) -> None:
    for handler in logging.getLogger("kws").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(stream)


def model_and_settings(options: argparse.Namespace) -> tuple[Model, DecisionSettings]:
    """Load the model that the flags of a measuring command name, and return it with the decision settings for it.

    Raises:
        ModelError, UsageError: see :func:`kws.app.build.load_model` and :func:`kws.app.build.decision_settings`.
    """
    config = configuration(options)
    model = load_model(config)
    return model, decision_settings(config, config.sources[0], model.description)
