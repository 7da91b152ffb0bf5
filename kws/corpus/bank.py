"""The bank of negatives that ships: other words and sentences, so that recordings of the keywords alone are enough.

``tools/make-negatives`` makes it with synthetic voices: ``NAME.ogg``, and ``NAME.tsv`` with the start, the end and the
text of each utterance.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from pathlib import Path

from kws.corpus.clips import Recordings, load
from kws.corpus.transcripts import says

FOLDER = Path(__file__).with_name("negatives")
_MARGIN = 0.1  # seconds around an utterance; the pause between two is longer than twice that


def negatives(keywords: Iterable[str]) -> tuple[Recordings, Recordings]:
    """Return single words and sentences that have none of these keywords."""
    kinds: tuple[list[Recordings], list[Recordings]] = ([], [])
    for path in sorted(FOLDER.glob("*.ogg")):
        parts: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
        for line in path.with_suffix(".tsv").read_text(encoding="utf-8").splitlines()[1:]:
            start, end, text = line.split("\t")
            if not any(says(text, keyword) for keyword in keywords):
                extent = (int((float(start) - _MARGIN) * 16000), int((float(end) + _MARGIN) * 16000))
                parts[" " in text].append((max(0, extent[0]), extent[1]))
        whole = load([path], what="negatives")
        for kind, extents in zip(kinds, parts, strict=True):
            kind.append(whole.cut(extents))
    words, sentences = (reduce(Recordings.__add__, kind) for kind in kinds)
    return words, sentences
