"""Training and export by the command ``kws`` in a process of its own, which may take minutes."""

from __future__ import annotations

import subprocess

from tests.support.program import COMMAND

#: The recipe of a network that learns the words of :mod:`tests.support.tone_words` in seconds.
SMALL = """
name = "tones"
keywords = ["low", "high"]
other_words = ["other"]
front_end = "log-mel-small"
[network]
variant = "lite"
width = 0.2
depth = 0.3
drop_connect = 0.0
[mix]
unknown = 0.3
speech = 0.0
silence = 0.25
[optimiser]
clips = 9600
batch = 32
rate = 3e-3
warmup = 960
averaging = 20
label_smoothing = 0.0
"""


def kws(*arguments: object, fails: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and check its exit code."""
    command = [*COMMAND, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == fails, done.stderr
    assert "Traceback" not in done.stderr
    return done
