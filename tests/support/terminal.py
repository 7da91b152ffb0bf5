"""A command in a terminal of its own."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.program import environment


def in_terminal(command: Sequence[str | Path], *, stdout: bool = True, **options: Any) -> tuple[int, str, str]:
    """Run a command whose standard error is a terminal, 100 columns wide.

    Args:
        command: to run.
        stdout: True if standard output is the terminal too.
        options: of :class:`subprocess.Popen`.

    Returns:
        The exit code, what the terminal showed, and what went to standard output elsewhere.
    """
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen(
            command, env=environment(TERM="xterm", COLUMNS="100"), stdin=subprocess.DEVNULL,
            stdout=theirs if stdout else subprocess.PIPE, stderr=theirs, **options,
        )  # fmt: skip
        os.close(theirs)
        shown = b""
        try:
            while data := terminal.read(1000):
                shown += data
        except OSError:  # the process has ended
            pass
        out, _ = process.communicate(timeout=20)
    return process.returncode, shown.decode(), (out or b"").decode()
