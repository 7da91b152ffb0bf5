"""Names that people type, in the one form in which they are compared."""

from __future__ import annotations

import unicodedata


def composed(name: str) -> str:
    """Return a name in Unicode's composed form (NFC): a Mac writes ``ü`` as two characters, other systems as one."""
    return unicodedata.normalize("NFC", name)
