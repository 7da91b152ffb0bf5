"""The command ``kws`` in a process of its own, as users start it. Tests that use this are marked ``process``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
COMMAND = (sys.executable, "-m", "kws")


def environment(*paths: Path, **variables: str) -> dict[str, str]:
    """Return this process's environment, with these folders first on Python's import path."""
    path = os.pathsep.join(map(str, (*paths, ROOT)))
    return os.environ | {"PYTHONPATH": path} | variables


def kws(
    *arguments: str | Path, stdin: bytes = b"", env: dict[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; it has 60 seconds."""
    result = subprocess.run(
        [*COMMAND, *arguments], check=False, input=stdin, capture_output=True, env=env or environment(), cwd=cwd,
        timeout=60,
    )  # fmt: skip
    return subprocess.CompletedProcess(result.args, result.returncode, result.stdout.decode(), result.stderr.decode())


def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
    """Start a command whose three streams are pipes."""
    pipe = subprocess.PIPE
    streams = {"stdin": pipe, "stdout": pipe, "stderr": pipe}
    return subprocess.Popen([*COMMAND, *arguments], **{**streams, "env": environment(), **options})


def lines(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """Return the JSON objects that a command printed; it must have succeeded without messages."""
    assert (result.returncode, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def error(result: subprocess.CompletedProcess[str], code: int) -> str:
    """Return the message of a command that failed with one line on standard error."""
    assert result.stderr.count("\n") == 1, result.stderr
    assert (result.returncode, result.stdout) == (code, "")
    prefix, _, message = result.stderr.rstrip("\n").partition(": ")
    assert prefix == "kws"
    return message
