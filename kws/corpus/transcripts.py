"""Transcripts of speech."""

from __future__ import annotations

import re
from pathlib import Path

from kws.common.names import composed
from kws.corpus.word_folders import fold
from kws.errors import AudioError


def transcripts(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the words of each utterance of a folder, in order and lower case, by file name without suffix.

    It reads each LibriSpeech ``*.trans.txt`` below the folder (``UTTERANCE WORD WORD ...`` a line).

    Raises:
        AudioError: a transcript cannot be read.
    """
    said = {}
    for path in sorted(folder.rglob("*.trans.txt")):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise AudioError(f"{path}: no transcript in UTF-8 ({error})") from None
        for line in lines:
            utterance, _, text = line.partition(" ")
            said[utterance] = tuple(composed(text).lower().split())
    return said


def says(text: str, keyword: str) -> bool:
    """Return True if a text contains a keyword, however both are written."""
    return f" {fold(keyword)} " in f" {fold(re.sub(r'[,.;:!?]', ' ', text))} "
