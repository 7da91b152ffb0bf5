"""Finding the recordings to scan, each once."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from kws.audio.recordings import AUDIO_SUFFIXES
from kws.errors import UsageError


class Recording(NamedTuple):
    """A file to scan.

    Attributes:
        name: what the user calls it: the path that the command line leads to.
        path: absolute and without symbolic links, so that a recording with several names has one path.
        size: in bytes.
        mtime: of its last change, in nanoseconds since 1970.
    """

    name: str
    path: str
    size: int
    mtime: int


def find_recordings(places: Sequence[str]) -> tuple[list[Recording], list[str]]:
    """Return the recordings in files and folders by name, each once, and a line for each thing that cannot be read.

    Symbolic links are followed. In folders, hidden files and those that are no sound by their suffix are left out.

    Raises:
        UsageError: a place does not exist, or there is no recording at all.
    """
    found: dict[str, Recording] = {}
    problems: list[str] = []
    for place in map(Path, places):
        if not os.path.lexists(place):
            raise UsageError(f"{shown(str(place))}: no such file or folder")
        for file in _files(place, problems) if place.is_dir() else [place]:
            try:
                state = file.stat()
            except OSError as error:
                problems.append(f"cannot read {shown(str(file))}: {error.strerror}")
                continue
            if stat.S_ISREG(state.st_mode):
                path = os.path.realpath(file)
                found.setdefault(path, Recording(str(file), path, state.st_size, state.st_mtime_ns))
            elif file == place:
                problems.append(f"{shown(str(file))} is not a file; pipes are for kws listen")
    if not found and not problems:
        suffixes = ", ".join(sorted(AUDIO_SUFFIXES))
        raise UsageError(f"{shown(', '.join(places))}: no recordings ({suffixes})")
    return sorted(found.values()), problems


def shown(name: str) -> str:
    """Return a name as messages show it: on one line, and in any encoding."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in name)


def _files(top: Path, problems: list[str]) -> Iterator[Path]:
    """Yield the sound files below a folder. Each folder is read once, so links that form a circle end."""
    seen: set[str] = set()

    def report(error: OSError) -> None:
        problems.append(f"cannot read {shown(str(error.filename))}: {error.strerror}")

    for name, folders, files in os.walk(top, followlinks=True, onerror=report):
        folder = Path(name)
        real = os.path.realpath(folder)
        # Folders come before links, so that a folder that is also linked to is listed under its own name.
        folders[:] = sorted(filter(_is_visible, folders), key=lambda one: ((folder / one).is_symlink(), one))
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        for file in map(Path, filter(_is_visible, sorted(files))):
            if file.suffix.lower() in AUDIO_SUFFIXES:
                yield folder / file


def _is_visible(name: str) -> bool:
    return not name.startswith(".")
