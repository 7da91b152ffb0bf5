"""The cost of whole processes, measured on programs whose cost is known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from kws.errors import KwsError
from tests.support import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from process_cost import live, measure_process, to_bytes

pytestmark = pytest.mark.process

#: Reads a tenth of a second of sound at a time and uses a hundredth of a second of processor time for it.
BURNER = """
import sys, time
memory = bytearray(b"x" * 60_000_000)
while sys.stdin.buffer.read(3200):
    until = time.process_time() + 0.01
    while time.process_time() < until:
        pass
"""
SLEEPER = "import sys\nwhile sys.stdin.buffer.read(3200): pass"
SOUND = np.zeros(16000 * 3, np.float32)


def run(program: str) -> tuple[float, int]:
    return live([sys.executable, "-c", program], SOUND, hop=0.1, warm_up=1.0)


def test_a_process_is_charged_its_own_time_and_memory() -> None:
    sleeping, small = run(SLEEPER)
    burning, large = run(BURNER)
    assert sleeping < 0.03
    assert 0.09 < burning < 0.15
    assert large - small > 50e6


def test_a_program_that_ends_early() -> None:
    with pytest.raises(KwsError, match="ended early"):
        run("pass")


def test_sound_as_bytes() -> None:
    assert to_bytes(np.array([0.0, 1.0, -1.0, 2.0], np.float32)) == b"\x00\x00\xff\x7f\x01\x80\xff\x7f"


def test_kws_listen(model_folder: Path) -> None:
    cost = measure_process(["--model", str(model_folder), "--hop", "0.1"], hop=0.1, seconds=2, runs=1)
    assert cost.start_up_processor > 0.1  # Python and NumPy take more
    assert 0.001 < cost.silence < 1
    assert 0.001 < cost.speech < 1
    assert cost.memory > 30e6


def test_kws_listen_that_does_not_start(model_folder: Path) -> None:
    with pytest.raises(KwsError, match="kws listen did not start: kws: --threads: must be"):
        measure_process(["--model", str(model_folder), "--threads", "0"], hop=0.1, seconds=2, runs=1)
