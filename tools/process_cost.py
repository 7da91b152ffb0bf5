"""The cost of ``kws listen``, or of another program, as a process of its own that gets sound in real time.

Such a process sleeps between two windows and wakes with cold caches. So a window costs several times what it costs when
one follows the other without a pause, and more on a busy machine.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from kws.errors import KwsError
from kws.types import Float32Array

# As users start it: Python keeps the modules that it compiled.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

_RATE = 16000
#: Seconds of sound before measuring begins: the process starts and hears its first windows.
_WARM_UP = 3
#: The same for silence, which the process recognises only after a while.
SILENCE_WARM_UP = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessCost:
    """Measured costs of processes.

    Attributes:
        start_up: seconds from the start to the first scored window, the median of several starts.
        start_up_processor: processor seconds of it: the better figure to compare on a busy machine.
        speech, silence: processor seconds for a second of sound with the pace and level of speech, and of a steady
            noise floor: means over all of it.
        memory: largest resident size, in bytes.
    """

    start_up: float
    start_up_processor: float
    speech: float
    silence: float
    memory: int


def measure_process(arguments: Sequence[str], *, hop: float, seconds: float, runs: int) -> ProcessCost:
    """Start ``kws listen -`` several times and feed it.

    Args:
        arguments: further options of ``kws listen``.
        hop: seconds of sound that are written at once, like a source that delivers each hop when it is complete.
        seconds: length of the speech and of the silence, in real time.
        runs: number of starts, of which the median counts.

    Raises:
        KwsError: the process ended early.
    """
    starts = [_start_up(arguments) for _ in range(runs)]
    speech, memory = live(_listen(arguments), _speech(seconds + _WARM_UP), hop=hop)
    quiet, _ = live(_listen(arguments), silence(seconds + SILENCE_WARM_UP), hop=hop, warm_up=SILENCE_WARM_UP)
    return ProcessCost(
        start_up=median(wall for wall, _ in starts),
        start_up_processor=median(used for _, used in starts),
        speech=speech,
        silence=quiet,
        memory=memory,
    )


def live(
    command: Sequence[str],
    samples: Float32Array,
    *,
    hop: float,
    warm_up: float = _WARM_UP,
    errors: int | None = None,
) -> tuple[float, int]:
    """Feed a program that reads 16-bit sound at 16 kHz from its standard input, in real time.

    Args:
        command: the program and its arguments.
        samples: float32 ``(n,)``.
        hop: seconds that are written at once.
        warm_up: seconds at the beginning that are not measured.
        errors: where its standard error goes, as subprocess takes it.

    Returns:
        Processor seconds for a second of sound, and the program's largest resident size in bytes.

    Raises:
        KwsError: the program ended early.
    """
    data = to_bytes(samples)
    size = 2 * round(hop * _RATE)
    used = []
    with _started(command, errors) as process:
        clock = _processor_clock(process.pid)
        began = time.monotonic()
        for number, place in enumerate(range(0, len(data) - size + 1, size), 1):
            _feed(process, data[place : place + size])
            time.sleep(max(0.0, began + number * hop - time.monotonic()))
            used.append(time.clock_gettime(clock))
        memory = _peak_memory(process.pid)
    first = round(warm_up / hop) - 1
    return (used[-1] - used[first]) / ((len(used) - 1 - first) * hop), memory


def to_bytes(samples: Float32Array) -> bytes:
    """Return samples as little-endian 16-bit integers."""
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def _start_up(arguments: Sequence[str]) -> tuple[float, float]:
    """Return the seconds and the processor seconds until the process prints the posteriors of the first window."""
    began = time.perf_counter()
    with _started(_listen([*arguments, "--scores", "-"]), subprocess.PIPE) as process:
        _feed(process, bytes(2 * _RATE))
        assert process.stderr is not None
        line = process.stderr.readline()
        taken = time.perf_counter() - began
        used = time.clock_gettime(_processor_clock(process.pid))
        if not line.startswith(b"{"):
            raise KwsError(f"kws listen did not start: {line.decode(errors='replace').strip()}")
        process.stderr.close()
    return taken, used


def _listen(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "kws", "listen", "-", "--rate", str(_RATE), *arguments]


@contextmanager
def _started(command: Sequence[str], errors: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": errors}
    with subprocess.Popen(command, bufsize=0, **streams) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def _feed(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(data)
    except BrokenPipeError:
        if process.stderr is None:  # otherwise the caller reads the reason there
            raise KwsError(f"{process.args!r} ended early") from None


def _processor_clock(pid: int) -> int:
    """Return the clock of another process's processor time (clock_getcpuclockid of POSIX)."""
    clock = ctypes.c_int()
    if ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise KwsError("this system does not show the processor time of other processes")
    return clock.value


def _peak_memory(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise KwsError("this system does not show the memory of other processes")


def _speech(seconds: float) -> Float32Array:
    """Return noise that swells and fades four times a second over a floor 40 decibels below."""
    size = round(seconds * _RATE)
    swell = np.sin(2 * np.pi * 4 * np.arange(size) / _RATE).clip(0) ** 2
    return (_noise(size) * (0.001 + 0.1 * swell)).astype(np.float32)


def silence(seconds: float) -> Float32Array:
    """Return the noise floor of a quiet room, as float32 ``(n,)`` at 16 kHz."""
    return _noise(round(seconds * _RATE)) * np.float32(0.001)


def _noise(size: int) -> Float32Array:
    return np.random.default_rng(0).standard_normal(size, np.float32)
