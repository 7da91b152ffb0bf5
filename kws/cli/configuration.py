"""Options of commands that go by a configuration, and the configuration that they make of it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kws.config import Config

#: Options for single settings that are often said anew.
_SETTINGS = {
    "--device": ("source.device", "NAME", "the microphone, by name or index; see kws devices"),
    "--site": ("source.site", "NAME", "of the topics kws/NAME/..."),
    "--model": ("model.name", "MODEL", "a model folder, or the name of a model that ships"),
    "--mqtt": ("mqtt.url", "URL", "of the broker"),
    "--log-format": ("log.format", "FORMAT", "text or json"),
    "--metrics": ("metrics.port", "PORT", "figures for Prometheus at http://127.0.0.1:PORT/metrics"),
}


def add_config_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("configuration", "What is said here goes before the file.")
    group.add_argument(
        "--config",
        metavar="FILE",
        help="the file (default: $KWS_CONFIG, else ~/.config/kws/kws.toml, else /etc/kws/kws.toml)",
    )
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any setting by its path, as mqtt.max_age=2, keyword.on.threshold=0.9 or source[2].device=USB; repeatable",
    )
    for option, (key, metavar, meaning) in _SETTINGS.items():
        group.add_argument(option, metavar=metavar, help=f"{meaning} ({key})")


def configuration(options: argparse.Namespace) -> Config:
    """The configuration that the options name, with what they say instead; read anew with each call.

    Raises:
        UsageError: see :func:`kws.config.find_config` and :func:`kws.config.read_config`.
    """
    from kws.config import Override, find_config, parse_set, read_config  # noqa: PLC0415

    said = [parse_set(text) for text in options.set]
    for option, (key, _, _) in _SETTINGS.items():
        value = getattr(options, option.removeprefix("--").replace("-", "_"))
        if value is not None:
            said.append(Override(option=option, key=key, value=value))
    if getattr(options, "verbose", 0):
        said.append(Override(option="-v", key="log.level", value="debug"))
    return read_config(find_config(options.config), said)
