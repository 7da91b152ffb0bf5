"""Giving free memory back to the system, for a process that runs for months."""

from __future__ import annotations

import ctypes
import gc


def give_back() -> None:
    """Give free memory back to the system, if the C library can (glibc); call it when something large was replaced.

    Otherwise each new model fills only part of the holes that the old one left, and memory grows a little every time.
    Takes some tens of milliseconds.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
