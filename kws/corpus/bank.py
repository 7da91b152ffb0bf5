"""The bank of negatives that ships: other words and sentences, so that recordings of the keywords alone are enough.

``tools/make-negatives`` makes it with synthetic voices: ``NAME.ogg``, and ``NAME.tsv`` with the start, the end and the
text of each utterance.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kws.corpus.clips import Recordings, load
from kws.corpus.transcripts import says

FOLDER = Path(__file__).with_name("negatives")
_HELD_OUT = 5  # one in so many
_MARGIN = 0.1  # seconds around an utterance; the pause between two is longer than twice that


def negatives(keywords: Iterable[str]) -> tuple[Recordings, Recordings]:
    """Return single words and sentences that have none of these keywords."""
    kinds: tuple[list[npt.NDArray[np.int16]], list[npt.NDArray[np.int16]]] = ([], [])
    paths: tuple[list[Path], list[Path]] = ([], [])
    for path in sorted(FOLDER.glob("*.ogg")):
        sound = load([path], what="negatives").data
        for line in path.with_suffix(".tsv").read_text(encoding="utf-8").splitlines()[1:]:
            start, end, text = line.split("\t")
            if not any(says(text, keyword) for keyword in keywords):
                first, last = (int(seconds * 16000) for seconds in (float(start) - _MARGIN, float(end) + _MARGIN))
                kinds[" " in text].append(sound[max(0, first) : last])
                paths[" " in text].append(path)
    words, sentences = map(Recordings.of, kinds, paths)
    return words, sentences


def held_out(recordings: Recordings) -> npt.NDArray[np.bool_]:
    """Return which of the words, or of the sentences, are never trained on: bool ``(n,)``."""
    # By the length in milliseconds, which no decoder and no list of keywords changes.
    return np.array([zlib.crc32(b"%d" % (len(s) // 16)) % _HELD_OUT == 0 for s in recordings.sounds], bool)
