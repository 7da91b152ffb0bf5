"""SHA-256 without OpenSSL, where Python has its own.

``hashlib`` loads OpenSSL's library: 4 MB of memory, for ever, in a service that needs nothing else of it. Python's own
code has no public name; the standard library's ``random`` imports it in the same way.
"""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from kws.common.files import opened

_BLOCK_BYTES = 65536


def sha256_of(data: bytes) -> str:
    """Return the SHA-256 of bytes in hexadecimal."""
    return str(_sha256(data).hexdigest())


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a regular file in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    digest = _sha256(b"")
    with opened(path) as file:  # in parts: a file in memory as a whole would stay there as a hole
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return str(digest.hexdigest())


def _sha256(data: bytes) -> Any:
    """Return a hash object: of ``_sha2`` from Python 3.12 on, of ``_sha256`` before."""
    for name in ("_sha2", "_sha256"):
        with suppress(ImportError):  # a Python may be built without them
            return import_module(name).sha256(data)
    return import_module("hashlib").sha256(data)
