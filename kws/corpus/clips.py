"""Folders of words, split by speaker, and recordings in memory.

A folder of words holds ``WORD/*.wav`` (also .flac and .ogg), the layout of Speech Commands. If it has ``train/`` and
``validation/``, those are the split. Otherwise the hash that Speech Commands publishes for its own split decides for
each speaker, so clips that are added later change no speaker's side.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import track

from kws.corpus.cache import Arrays, remember
from kws.corpus.recordings import audio_files, read_audio
from kws.errors import UsageError
from kws.types import Float32Array

_HASH_BUCKETS = 2**27 - 1


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

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Samples of each recording."""
        return np.diff(self.starts)

    @property
    def seconds(self) -> float:
        return len(self.data) / 16000


def load(paths: Sequence[Path], *, what: str, cache: Path | None = None) -> Recordings:
    """Decode recordings to 16 kHz mono.

    Args:
        paths: the files.
        what: their name on the progress bar.
        cache: a folder that keeps the decoded sound, by every path, size and time of change.

    Raises:
        AudioError: a file cannot be decoded.
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
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        sounds = list(track(pool.map(_decode, paths), f"Reading {what}", total=len(paths), transient=True))
    starts = np.concatenate(([0], np.cumsum([len(sound) for sound in sounds]))).astype(np.int64)
    return {"data": np.concatenate(sounds) if sounds else np.zeros(0, np.int16), "starts": starts}


def _decode(path: Path) -> npt.NDArray[np.int16]:
    return np.clip(np.rint(read_audio(path) * 32768), -32768, 32767).astype(np.int16)


def speaker_of(path: Path) -> str:
    """Return the speaker in a file name of Speech Commands (``HASH_nohash_N``), or else the file name."""
    return re.sub(r"_nohash_.*$", "", path.stem)


def is_validation(speaker: str, percent: float) -> bool:
    """Return True if the hash rule of Speech Commands holds out a speaker, as it does ``percent`` of them."""
    # The published split of the data set is defined by SHA-1.
    number = int(hashlib.sha1(speaker.encode(), usedforsecurity=False).hexdigest(), 16) % (_HASH_BUCKETS + 1)
    return number * 100.0 / _HASH_BUCKETS < percent


@dataclass(frozen=True, slots=True)
class Split:
    """The two sides of folders of words: ``WORD -> files``."""

    train: dict[str, list[Path]]
    validation: dict[str, list[Path]]


def split_words(folders: Iterable[Path], *, percent: float) -> Split:
    """Read folders of words and hold out whole speakers.

    A clip whose content is on both sides stays in validation only.

    Args:
        folders: each with ``WORD/`` folders, or with ``train/WORD/`` and ``validation/WORD/``; names that begin
            with an underscore (``_background_noise_``) are not words.
        percent: of speakers to hold out in a folder without a split of its own.

    Raises:
        UsageError: a folder is missing or has no words.
    """
    split = Split({}, {})
    for folder in folders:
        if (folder / "train").is_dir() and (folder / "validation").is_dir():
            for side, words in (("train", split.train), ("validation", split.validation)):
                for word, path in _words(folder / side):
                    words.setdefault(word, []).append(path)
        else:
            for word, path in _words(folder):
                words = split.validation if is_validation(speaker_of(path), percent) else split.train
                words.setdefault(word, []).append(path)
    held_out = {_digest(path) for paths in split.validation.values() for path in paths}
    for paths in split.train.values():
        paths[:] = [path for path in paths if _digest(path) not in held_out]
    return split


def word_files(folder: Path) -> list[tuple[str, Path]]:
    """Return the word and the file of each clip ``WORD/*`` of a folder, in a fixed order.

    Raises:
        UsageError: there is no such folder, or no clip in it.
    """
    clips = [(path.relative_to(folder).parts[0], path) for path in audio_files(folder) if path.parent != folder]
    if not clips:
        raise UsageError(f"{folder}: no clips in folders of words (WORD/*.wav, .flac or .ogg)")
    return clips


def _words(folder: Path) -> Iterator[tuple[str, Path]]:
    yield from ((word, path) for word, path in word_files(folder) if not word.startswith("_"))


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()
