"""Parts that the scripts which measure models share: kws commands and their data."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

COMMANDS = "yes,no,up,down,left,right,on,off,stop,go"
_SEED = 1
_COUNT = 100


def run(*arguments: object) -> str:
    """The standard output of a kws command."""
    command = [sys.executable, "-m", "kws", *map(str, arguments)]
    print(f"{Path(sys.argv[0]).name}: kws", shlex.join(command[3:]), file=sys.stderr)
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def on_clips(data: Path, held_out: Collection[str]) -> list[Any]:
    """The command that asks about clips of held-out speakers, and silence of held-out noise."""
    where = ["evaluate", "clips", data / "speech_commands/validation"]
    for folder in sorted((data / "noise").rglob("*")):
        if folder.is_dir() and folder.name in held_out:
            where += ["--noise", folder]
    return where


def mixed(
    clips: Path, data: Path, held_out: Collection[str], stream: Path, *, snr: int, words: str = COMMANDS
) -> list[Any]:
    """Mix a stream; the command that does it, which ends with the stream."""
    mixing = ["mix", clips, "--words", words, "--noise", data / "noise", "--noise-only", ",".join(held_out)]
    mixing += ["--snr", snr, "--count", _COUNT, "--seed", _SEED, "--out", stream]
    run(*mixing)
    return mixing


def speakers(data: Path) -> tuple[list[Path], list[Path]]:
    """Readers to choose thresholds on, and others to check them on."""
    every = sorted(path for path in (data / "speech/librispeech").iterdir() if path.is_dir())
    return every[::2], every[1::2]
