"""Recordings in memory, decoded once."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import track

from kws.audio.recordings import read_audio
from kws.corpus.cache import Arrays, remember
from kws.errors import AudioError
from kws.types import Float32Array


@dataclass(frozen=True, slots=True, eq=False)
class Recordings:
    """Many recordings in one array: a training set fits into memory as int16, not as float32 objects.

    Attributes:
        data: int16 ``(total,)`` at 16 kHz.
        starts: int64 ``(n + 1,)``; recording ``i`` is ``data[starts[i]:starts[i + 1]]``.
        paths: the file of each.
    """

    data: npt.NDArray[np.int16]
    starts: npt.NDArray[np.int64]
    paths: list[Path]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Float32Array:
        """Recording ``index`` as float32 in [-1, 1]."""
        return self.data[self.starts[index] : self.starts[index + 1]] * np.float32(1 / 32768)

    def __add__(self, other: Recordings) -> Recordings:
        """Return these recordings and then the others."""
        if not len(other):
            return self
        starts = np.concatenate([self.starts, other.starts[1:] + len(self.data)])
        return Recordings(np.concatenate([self.data, other.data]), starts, self.paths + other.paths)

    def where(self, chosen: npt.NDArray[np.bool_]) -> Recordings:
        """Return the recordings that are chosen, bool ``(n,)``."""
        if chosen.all():
            return self
        paths = [path for path, choose in zip(self.paths, chosen, strict=True) if choose]
        return Recordings.of([sound for sound, choose in zip(self.sounds, chosen, strict=True) if choose], paths)

    @classmethod
    def of(cls, sounds: Sequence[npt.NDArray[np.int16]], paths: list[Path]) -> Recordings:
        """Return these sounds, each int16 ``(n,)``, of these files."""
        starts = np.concatenate(([0], np.cumsum([len(sound) for sound in sounds]))).astype(np.int64)
        return cls(np.concatenate([np.zeros(0, np.int16), *sounds]), starts, paths)

    @classmethod
    def none(cls) -> Recordings:
        return cls.of([], [])

    @property
    def sounds(self) -> list[npt.NDArray[np.int16]]:
        """Views of each recording."""
        return [self.data[first:last] for first, last in itertools.pairwise(self.starts)]

    @property
    def seconds(self) -> float:
        return len(self.data) / 16000


def load(paths: Sequence[Path], *, what: str, cache: Path | None = None) -> Recordings:
    """Decode recordings to 16 kHz mono.

    Args:
        paths: the files.
        what: their name on the progress bar.
        cache: a folder that keeps the decoded sound, by every path, size and time of change.

    Returns:
        A recording for each file; one that cannot be decoded is empty.
    """
    stored = None
    if cache is not None:
        key = hashlib.sha256()
        for path in paths:
            status = path.stat()
            key.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
        stored = cache / f"{key.hexdigest()[:24]}.npz"
    arrays = remember(stored, lambda: _decode_all(paths, what))
    return Recordings(arrays["data"], arrays["starts"], list(paths))


def _decode_all(paths: Sequence[Path], what: str) -> Arrays:
    console = Console(stderr=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        progress = track(
            pool.map(_decode, paths),
            f"Reading {what}",
            total=len(paths),
            transient=True,
            console=console,
            disable=not console.is_terminal,
        )
        recordings = Recordings.of(list(progress), list(paths))
    return {"data": recordings.data, "starts": recordings.starts}


def _decode(path: Path) -> npt.NDArray[np.int16]:
    try:
        return np.clip(np.rint(read_audio(path) * 32768), -32768, 32767).astype(np.int16)
    except AudioError:
        return np.zeros(0, np.int16)
