"""Memory that a process of months has no use for any more."""

from __future__ import annotations

import ctypes
import gc


def give_back() -> None:
    """Hand what is free back to the system, where its C library can (glibc): once something large was replaced.

    Otherwise the holes that an old model and old connections leave are filled only in part by the next, and each
    replacement costs a little. Takes some tens of milliseconds.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
