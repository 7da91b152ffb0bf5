"""Folders of words as people have them: ``WORD/*.wav``, perhaps below ``train/``, ``validation/`` or ``test/``.

Every speaker is on one side of the split, by the hash that Speech Commands publishes for its own split, so that clips
added later move no speaker from one side to the other. With few speakers, clips are held out instead.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kws.audio.recordings import AUDIO_SUFFIXES, audio_files
from kws.common.names import composed
from kws.errors import UsageError
from kws.types import UNKNOWN

#: In the folder of a training run: the word and the file of each held-out clip.
HELD_OUT_FILE = "held_out.json"
_HASH_BUCKETS = 2**27 - 1
_FEW_SPEAKERS = 5
_FEW_CLIPS = 4  # of a word; with fewer, none is held out
_UNKNOWN_NAMES = frozenset({"unknown", "not-wake-word", "_unknown_"})
_NOISE_NAMES = frozenset({"background_noise", "_background_noise_", "silence", "_silence_"})
_HELD_OUT_NAMES = ("validation", "test")
_UNREADABLE = frozenset({".m4a", ".mp3", ".aac", ".wma", ".opus", ".amr", ".mp4"})


def fold(words: str) -> str:
    """Return words as they are compared: composed Unicode, no capitals, and spaces for underscores and hyphens."""
    return " ".join(re.split(r"[\s_-]+", composed(words).casefold().strip()))


def speaker_of(path: Path) -> str:
    """Return the speaker in a file name of Speech Commands (``HASH_nohash_N``), or else the name of the file."""
    return re.sub(r"_nohash_.*$", "", path.stem)


def is_validation(speaker: str, percent: float) -> bool:
    """Return True if a speaker is held out by the hash rule of Speech Commands, ``percent`` of all speakers."""
    return _hash(speaker) * 100.0 / _HASH_BUCKETS < percent


def _hash(name: str) -> int:
    # SHA-1 because the data set's published split is defined by it.
    return int(hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest(), 16) % (_HASH_BUCKETS + 1)


@dataclass(frozen=True, slots=True)
class Split:
    """The two sides of one or more folders of words.

    Attributes:
        train, validation: word -> files. Words are spelled as the first folder spells them; those of folders such as
            ``unknown`` are :data:`kws.types.UNKNOWN`.
        noise: folders of noise among those of words.
        notes: what a user should know: what was skipped, and how the split was made.
    """

    train: dict[str, list[Path]] = field(default_factory=dict)
    validation: dict[str, list[Path]] = field(default_factory=dict)
    noise: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def split_words(folders: Iterable[Path], *, percent: float) -> Split:
    """Read folders of words and hold out whole speakers, or clips if there are few speakers.

    A clip whose content is on both sides stays in validation only.

    Args:
        folders: each with ``WORD/`` folders, or with these below ``train/``; ``validation/`` or else ``test/`` is then
            held out, if there is one.
        percent: of speakers to hold out if a folder has no held-out part.

    Raises:
        UsageError: a folder is missing or has no words.
    """
    split = Split()
    spelling: dict[str, str] = {}
    for folder in folders:
        train, held_out = _sides(folder)
        for root in (*train, *held_out):
            split.noise.extend(sorted(p for p in root.iterdir() if p.is_dir() and p.name.lower() in _NOISE_NAMES))
            if skipped := Counter(p.suffix.lower() for p in root.rglob("*") if p.suffix.lower() in _UNREADABLE):
                kinds = ", ".join(f"{count} {suffix}" for suffix, count in sorted(skipped.items()))
                split.notes.append(f"{root}: skipped {kinds}; convert them to WAV first (ffmpeg -i IN OUT.wav)")
            if hidden := sum(p.name.startswith(".") and p.suffix.lower() in AUDIO_SUFFIXES for p in root.rglob("*")):
                split.notes.append(f"{root}: skipped {hidden} hidden files")
        words = _words(train, spelling, set(held_out))
        if not words:
            wanted = ", ".join(sorted(AUDIO_SUFFIXES))
            hint = f" ({split.notes[-1]})" if split.notes else ""
            raise UsageError(f"{folder}: no recordings in folders of words (WORD/*, {wanted}){hint}")
        if held_out:
            _add(split.train, words)
            _add(split.validation, _words(held_out, spelling, set()))
        elif percent:
            _hold_out(split, folder, words, percent)
        else:
            _add(split.train, words)
    digests = {_digest(path) for paths in split.validation.values() for path in paths}
    for paths in split.train.values():
        paths[:] = [path for path in paths if _digest(path) not in digests]
    return split


def _sides(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the folders that hold the words to learn from, and those that hold the words that are held out."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder")
    sides = {
        path.name.lower(): path
        for path in sorted(folder.iterdir())
        if path.name.lower() in ("train", *_HELD_OUT_NAMES) and any(p.is_dir() for p in path.iterdir())
    }
    held_out = [sides[name] for name in _HELD_OUT_NAMES if name in sides][:1]
    if "train" in sides:
        return [sides["train"]], held_out
    others = [p for p in folder.iterdir() if p.is_dir() and p not in sides.values() and p.name[0] not in "._"]
    return ([folder], held_out) if others or not held_out else (held_out, [])


def is_run(folder: Path) -> bool:
    """Return True for a folder of ``kws train`` that says which clips it held out."""
    return (folder / HELD_OUT_FILE).is_file()


def held_out_clips(run: Path) -> list[tuple[str, Path]]:
    """Return the word and the file of each clip that a run held out.

    Raises:
        UsageError: there is none.
    """
    clips = [(str(word), Path(path)) for word, path in json.loads((run / HELD_OUT_FILE).read_bytes())]
    if not clips:
        raise UsageError(f"{run}: this training held out no clips; name a folder of words")
    return clips


def list_clips(folder: Path) -> list[tuple[str, Path]]:
    """Return the word and the file of each clip ``WORD/*`` of a folder, in a fixed order.

    Raises:
        UsageError: there is no such folder.
    """
    return [(path.relative_to(folder).parts[0], path) for path in audio_files(folder) if path.parent != folder]


def _words(roots: Iterable[Path], spelling: dict[str, str], outside: set[Path]) -> dict[str, list[Path]]:
    """Return word -> files; ``spelling`` has the first spelling of each word, and ``outside`` other sides' folders."""
    words = defaultdict(list)
    for root in roots:
        for name, path in list_clips(root):
            if name.lower() in _UNKNOWN_NAMES:
                words[UNKNOWN].append(path)
            elif root / name not in outside and name.lower() not in _NOISE_NAMES and not name.startswith("_"):
                words[spelling.setdefault(fold(name), composed(name))].append(path)
    return dict(words)


def _add(side: dict[str, list[Path]], words: Mapping[str, list[Path]]) -> None:
    for word, paths in words.items():
        side.setdefault(word, []).extend(paths)


def _hold_out(split: Split, folder: Path, words: Mapping[str, list[Path]], percent: float) -> None:
    """Hold out whole speakers, but never all clips of a word; with few speakers, hold out clips of every word."""
    speakers = {speaker_of(path) for paths in words.values() for path in paths}
    chosen = {speaker for speaker in speakers if is_validation(speaker, percent)} or {min(speakers, key=_hash)}
    for paths in words.values():
        if len(own := {speaker_of(path) for path in paths}) >= _FEW_SPEAKERS and own.isdisjoint(chosen):
            chosen.add(min(own, key=_hash))
    if len(speakers) < _FEW_SPEAKERS:
        split.notes.append(
            f"{folder}: only {len(speakers)} speaker{'s' * (len(speakers) > 1)}, so clips are held out and not whole "
            "speakers; the held-out accuracy says nothing about other voices"
        )
    for word, paths in words.items():
        if len(speakers) < _FEW_SPEAKERS:
            count = max(1, round(len(paths) * percent / 100)) if len(paths) >= _FEW_CLIPS else 0
            ranked = sorted(paths, key=lambda path: _hash(path.name))
            held_out = set(ranked[:count])
        else:
            held_out = {path for path in paths if speaker_of(path) in chosen}
            if len(held_out) == len(paths):
                split.notes.append(f"{folder}: all speakers of {word!r} would be held out, so none is")
                held_out = set()
        _add(split.train, {word: [path for path in paths if path not in held_out]})
        _add(split.validation, {word: [path for path in paths if path in held_out]} if held_out else {})


def _digest(path: Path) -> bytes:
    return hashlib.sha256(path.read_bytes()).digest()
