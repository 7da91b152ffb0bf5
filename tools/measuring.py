"""Parts that the scripts which measure models share: kws commands and their data."""

from __future__ import annotations

import hashlib
import shlex
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from kws.corpus.word_folders import speaker_of, split_words
from kws.training.prepare import VALIDATION_PERCENT

COMMANDS = "yes,no,up,down,left,right,on,off,stop,go"
WAKE_WORDS = "computer,jarvis"
_SEED = 1


def run(*arguments: object) -> str:
    """Return the standard output of a kws command."""
    command = [sys.executable, "-m", "kws", *map(str, arguments)]
    print(f"{Path(sys.argv[0]).name}: kws", shlex.join(command[3:]), file=sys.stderr)
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def on_clips(data: Path, held_out: Collection[str]) -> list[Any]:
    """Return the command that asks about clips of held-out speakers, and silence of held-out noise."""
    where = ["evaluate", "clips", data / "speech_commands/validation"]
    for folder in sorted((data / "noise").rglob("*")):
        if folder.is_dir() and folder.name in held_out:
            where += ["--noise", folder]
    return where


def noise(data: Path, held_out: Collection[str], snr: int) -> list[Any]:
    """Return the options that lay words over noise of kinds that were not trained on."""
    return ["--noise", data / "noise", "--noise-only", ",".join(held_out), "--snr", snr]


def talk(readers: Iterable[Path], snr: int) -> list[Any]:
    """Return the options that lay words over the talk of some readers."""
    return [*(part for reader in readers for part in ("--talk", reader)), "--talk-snr", snr]


def mixed(clips: Path, stream: Path, *under: object, words: str = COMMANDS, count: int = 100) -> list[Any]:
    """Mix a stream; return the command that does it, which ends with the stream.

    A stream that is there and would come out the same is left alone, because posteriors are kept by a file's time.
    """
    mixing = ["mix", clips, "--words", words, *under, "--count", count, "--seed", _SEED, "--out"]
    new = stream.with_name(f"new-{stream.name}")
    run(*mixing, new)
    if not stream.exists() or new.read_bytes() != stream.read_bytes():
        new.with_suffix(".tsv").replace(stream.with_suffix(".tsv"))
        new.replace(stream)
    return [*mixing, stream]


def other_words(clips: Path) -> str:
    """Return the words among some clips that are no commands."""
    return ",".join(sorted(path.name for path in clips.iterdir() if path.name not in COMMANDS.split(",")))


def halves(data: Path, out: Path) -> tuple[Path, Path]:
    """Return folders of links to clips of held-out speakers: half of them to choose thresholds with, half to check."""
    folders = (out / "clips" / "chosen", out / "clips" / "checked")
    for path in sorted((data / "speech_commands/validation").glob("*/*")):
        # Not by the hash that made this side of the split: it says the same of all of them.
        half = hashlib.sha1(speaker_of(path).encode(), usedforsecurity=False).digest()[-1] % 2
        _link(path, folders[half] / path.parent.name)
    return folders


def wake_clips(data: Path, out: Path) -> Path:
    """Return a folder of links to the clips of wake words that the hash rule holds out; their speakers are unknown."""
    held: Mapping[str, list[Path]] = split_words([data / "wake_words"], percent=VALIDATION_PERCENT).validation
    for word, paths in held.items():
        for path in paths:
            _link(path, out / "wake_words" / word)
    return out / "wake_words"


def speakers(data: Path) -> tuple[list[Path], list[Path]]:
    """Return readers to choose thresholds on, and others to check them on."""
    every = sorted(path for path in (data / "speech/librispeech").iterdir() if path.is_dir())
    return every[::2], every[1::2]


def _link(path: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / path.name
    link.unlink(missing_ok=True)
    link.symlink_to(path.resolve())
