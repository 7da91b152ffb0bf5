"""What ``kws listen`` costs as a whole process: started, fed with sound at the pace at which it is made, and ended.

Between two windows such a process sleeps, and finds little of itself in the processor's caches when it wakes. So a
window costs a multiple of what it costs where one follows the other without a pause, and more the more else is done
on the machine.
"""

from __future__ import annotations

import ctypes
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
from kws.values import Float32Array

_RATE = 16000
#: Seconds of sound before the measuring begins: the process starts and hears its first windows.
_WARM_UP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """What was measured of processes.

    Attributes:
        start_up: seconds from the start to the first window scored, the median of several.
        start_up_processor: processor seconds of it: where the machine is busy, the better figure to compare.
        speech, silence: processor seconds for a second of sound of the pace and level of speech, and of a steady
            noise floor; the medians over the seconds that were heard.
        memory: largest resident size, in bytes.
    """

    start_up: float
    start_up_processor: float
    speech: float
    silence: float
    memory: int


def measure_process(arguments: Sequence[str], *, hop: float, seconds: float, runs: int) -> Process:
    """Start ``kws listen -`` again and again and feed it.

    Args:
        arguments: further options of ``kws listen``.
        hop: seconds of sound written at once: a source that hands over a window's sound when it is complete.
        seconds: of sound, for speech and for silence each, at the pace at which it is made.
        runs: of the start, of which the median counts.

    Raises:
        KwsError: the process ended before its time.
    """
    starts = [_start_up(arguments) for _ in range(runs)]
    speech, memory = _live(arguments, _speech(seconds + _WARM_UP), hop)
    silence, _ = _live(arguments, _silence(seconds + _WARM_UP), hop)
    return Process(
        start_up=median(wall for wall, _ in starts),
        start_up_processor=median(used for _, used in starts),
        speech=speech,
        silence=silence,
        memory=memory,
    )


def _start_up(arguments: Sequence[str]) -> tuple[float, float]:
    """Seconds, and processor seconds, until the posteriors of the first window are told."""
    began = time.perf_counter()
    with _listening([*arguments, "--scores", "-"], stderr=subprocess.PIPE) as process:
        _feed(process, bytes(2 * _RATE))
        assert process.stderr is not None
        line = process.stderr.readline()
        taken = time.perf_counter() - began
        used = time.clock_gettime(_processor_clock(process.pid))
        if not line.startswith(b"{"):
            raise KwsError(f"kws listen did not start: {line.decode(errors='replace').strip()}")
        process.stderr.close()
        process.kill()
    return taken, used


def _live(arguments: Sequence[str], samples: Float32Array, hop: float) -> tuple[float, int]:
    """Processor seconds for a second of sound, and the largest resident size."""
    data = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    size = 2 * round(hop * _RATE)
    used = []
    with _listening(arguments) as process:
        clock = _processor_clock(process.pid)
        began = time.monotonic()
        for number, place in enumerate(range(0, len(data) - size + 1, size), 1):
            _feed(process, data[place : place + size])
            time.sleep(max(0.0, began + number * hop - time.monotonic()))
            used.append(time.clock_gettime(clock))
        memory = _peak_memory(process.pid)
        process.kill()
    every = round(1 / hop)
    marks = used[round(_WARM_UP / hop) - 1 :: every]
    return float(np.median(np.diff(marks))) / (every * hop), memory


@contextmanager
def _listening(arguments: Sequence[str], *, stderr: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "kws", "listen", "-", "--rate", str(_RATE), *arguments]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": stderr}
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
        if process.stderr is None:  # else what it said is read there
            raise KwsError("kws listen ended before its time") from None


def _processor_clock(pid: int) -> int:
    """The clock that counts the processor time of another process (clock_getcpuclockid of POSIX)."""
    clock = ctypes.c_int()
    if ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise KwsError("this system does not tell the processor time of other processes")
    return clock.value


def _peak_memory(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise KwsError("this system does not tell the memory of other processes")


def _speech(seconds: float) -> Float32Array:
    """Noise that swells and fades four times a second over a floor 40 decibels below."""
    size = round(seconds * _RATE)
    swell = np.sin(2 * np.pi * 4 * np.arange(size) / _RATE).clip(0) ** 2
    return (_noise(size) * (0.001 + 0.1 * swell)).astype(np.float32)


def _silence(seconds: float) -> Float32Array:
    return _noise(round(seconds * _RATE)) * np.float32(0.001)


def _noise(size: int) -> Float32Array:
    return np.random.default_rng(0).standard_normal(size, np.float32)
