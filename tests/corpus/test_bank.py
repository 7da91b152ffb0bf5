"""The bank of negatives that ships."""

from __future__ import annotations

import numpy as np
import pytest

from kws.audio.word_extent import word_extent
from kws.corpus.bank import FOLDER, negatives
from kws.corpus.clips import Recordings
from kws.corpus.transcripts import says


@pytest.fixture(scope="module")
def everything(decoded_once: None) -> tuple[Recordings, Recordings]:
    return negatives([])


def test_it_holds_hundreds_of_words_and_minutes_of_sentences_in_a_few_megabytes(
    everything: tuple[Recordings, Recordings],
) -> None:
    words, sentences = everything
    assert len(words) >= 600
    assert sentences.seconds > 180
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 5e6
    for i in range(0, len(words), 40):
        start, end = word_extent(words[i])
        assert 0.1 < (end - start) / 16000 < 1.5
        assert 0.3 < np.abs(words[i]).max() < 1.0


def test_what_has_a_keyword_is_left_out(everything: tuple[Recordings, Recordings]) -> None:
    lines = [line.split("\t")[2] for path in FOLDER.glob("*.tsv") for line in path.read_text("utf-8").splitlines()[1:]]
    keyword = next(text for text in lines if " " not in text and any(text in other.split() for other in lines))
    without = negatives([keyword.upper()])
    assert len(everything[0]) - len(without[0]) == lines.count(keyword)
    assert len(everything[1]) - len(without[1]) == sum(
        keyword in text.replace(",", "").split() and " " in text for text in lines
    )


@pytest.mark.parametrize(
    ("text", "keyword", "said"),
    [
        ("well, GOOD night!", "good_night", True),
        ("the lamp", "Lamp", True),
        ("the lamps", "lamp", False),
        ("in der K\u00fcche", "ku\u0308che", True),
    ],
)
def test_a_keyword_is_found_however_it_is_written(text: str, keyword: str, said: bool) -> None:
    assert says(text, keyword) is said
