"""One heap for all threads, as glibc sees it."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Prints whether memory that a new thread gets lies in the heap of the first.
_SCRIPT = """
import ctypes, threading
from kws.common.heap import share_one_heap
malloc = ctypes.CDLL(None).malloc
malloc.restype = ctypes.c_void_p
addresses = []
def allocate():
    addresses.append(malloc(50_000))
def inside():
    thread = threading.Thread(target=allocate)
    thread.start()
    thread.join()
    line = next(line for line in open("/proc/self/maps") if line.endswith("[heap]\\n"))
    first, last = (int(number, 16) for number in line.split()[0].split("-"))
    return first <= addresses[-1] < last
{before}
print(inside())
"""


@pytest.mark.process
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
@pytest.mark.parametrize(("before", "inside"), [("", False), ("share_one_heap()", True)])
def test_threads_share_the_first_heap(before: str, inside: bool) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _SCRIPT.format(before=before)], check=True, capture_output=True, text=True
    )
    assert ran.stdout == f"{inside}\n"
