"""The places in which a configuration is looked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kws.errors import UsageError

VARIABLE = "KWS_CONFIG"


def find_config(path: str | None = None, environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the file that an option or ``KWS_CONFIG`` names; else the user's, else the system's, else None.

    Raises:
        UsageError: ``KWS_CONFIG`` names a file that is not there.
    """
    environment = os.environ if environment is None else environment
    if path is not None:
        return Path(path)
    if named := environment.get(VARIABLE):
        if not Path(named).exists():
            raise UsageError(f"{named}: no such file, though ${VARIABLE} names it")
        return Path(named)
    return next((place for place in config_places(environment) if place.is_file()), None)


def config_places(environment: Mapping[str, str]) -> list[Path]:
    """Return the places, in the order of the XDG Base Directory Specification."""
    home = environment.get("HOME")
    base = environment.get("XDG_CONFIG_HOME") or (home and str(Path(home, ".config")))
    bases = [base] if base else []
    bases += [folder for folder in environment.get("XDG_CONFIG_DIRS", "").split(":") if folder]
    return [*(Path(folder, "kws", "kws.toml") for folder in bases), Path("/etc/kws/kws.toml")]


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder for what outlives a restart: systemd's for the service, or the user's."""
    if folder := environment.get("STATE_DIRECTORY"):
        return Path(folder.partition(":")[0])
    base = environment.get("XDG_STATE_HOME") or Path(environment.get("HOME", "~"), ".local", "state").expanduser()
    return Path(base, "kws")
