"""The configuration: one file of TOML and what a command line says instead, complete and checked.

``docs/kws.example.toml`` shows every setting, ``docs/configuration.md`` explains where the file is looked for.
"""

from kws.config.overrides import Override, parse_set
from kws.config.places import config_places, find_config
from kws.config.reading import read_config
from kws.config.schema import Config, DeviceOptions, ModelOptions, SourceOptions

__all__ = [
    "Config",
    "DeviceOptions",
    "ModelOptions",
    "Override",
    "SourceOptions",
    "config_places",
    "find_config",
    "parse_set",
    "read_config",
]
