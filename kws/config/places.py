"""Where a configuration is looked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kws.errors import UsageError

VARIABLE = "KWS_CONFIG"


def find_config(path: str | None = None, environment: Mapping[str, str] | None = None) -> Path:
    """The file that is named, by an option or by ``KWS_CONFIG``; else the user's, else the system's.

    Raises:
        UsageError: there is none; the message lists where it was looked for.
    """
    environment = os.environ if environment is None else environment
    if path is not None:
        return Path(path)
    if named := environment.get(VARIABLE):
        if not Path(named).exists():
            raise UsageError(f"{named}: no such file, though ${VARIABLE} names it")
        return Path(named)
    places = config_places(environment)
    for place in places:
        if place.is_file():
            return place
    raise UsageError(f"no configuration in {' or '.join(map(str, places))}; write one, or name it with --config")


def config_places(environment: Mapping[str, str]) -> list[Path]:
    """Where a configuration is looked for, in this order, as the XDG Base Directory Specification has it."""
    home = environment.get("HOME")
    base = environment.get("XDG_CONFIG_HOME") or (home and str(Path(home, ".config")))
    bases = [base] if base else []
    bases += [folder for folder in environment.get("XDG_CONFIG_DIRS", "").split(":") if folder]
    return [*(Path(folder, "kws", "kws.toml") for folder in bases), Path("/etc/kws/kws.toml")]
