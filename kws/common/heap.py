"""The memory that C code allocates."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_ARENA_MAX = -8  # of glibc's malloc.h


def share_one_heap() -> None:
    """Let the threads that start from now on allocate in the same heap.

    glibc would give each its own, so that they do not wait for each other. Ours rarely run side by side, and what
    loading left free in the first heap then serves the thread that listens: 0.8 MB less.
    """
    with suppress(AttributeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
