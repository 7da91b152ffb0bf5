"""Whole recordings, for measuring and training; live streams come from :class:`kws.audio.file.FileSource`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kws.audio.file import FileSource
from kws.audio.resample import Resampler
from kws.errors import UsageError
from kws.types import Float32Array

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus"})


def audio_files(folder: Path) -> list[Path]:
    """Return all recordings below a folder, in a fixed order; hidden files, such as a Mac's ``._x.wav``, are left out.

    Raises:
        UsageError: there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    files = (path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    return sorted(path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def read_audio(path: Path) -> Float32Array:
    """Return a whole recording, float32 ``(n,)`` at 16 kHz, the mix of its channels.

    Raises:
        AudioError: it cannot be read.
    """
    with FileSource(path) as source:
        blocks = Resampler(source.rate).stream(source.blocks())
        return np.concatenate([np.zeros(0, np.float32), *(block.samples for block in blocks)])
