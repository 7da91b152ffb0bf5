from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.corpus.transcripts import transcripts
from kws.errors import UsageError
from kws.evaluation.labels import LabelledWord, read_labels, write_labels


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "labels.tsv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "start\tend\tword\n1.5\t2\ton\n0.25\t1\toff\n",
        "0.25\t1\toff\n1.5\t2\ton",
        "\ufeffStart\tEnd\tWord\r\n1.500000\t2.000000\ton\r\n\r\n0.250000\t1.000000\toff\r\n",
        "start\tend\tlabel\n 1.5 \t2e0\t on \n0.25\t1\toff\n",
    ],
)
def test_labels_are_read_by_start(tmp_path: Path, text: str) -> None:
    assert read_labels(write(tmp_path, text)) == (LabelledWord(0.25, 1, "off"), LabelledWord(1.5, 2, "on"))


def test_a_recording_may_have_no_words(tmp_path: Path) -> None:
    assert read_labels(write(tmp_path, "")) == ()
    assert read_labels(write(tmp_path, "start\tend\tword\n")) == ()


def test_a_word_may_have_spaces_and_accents(tmp_path: Path) -> None:
    written = "1\t2\thé là\n"
    for text in (written, unicodedata.normalize("NFD", written)):  # as a Mac writes it
        assert read_labels(write(tmp_path, text)) == (LabelledWord(1, 2, "hé là"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 on\n", "line 1: has 1 columns; start, end and word, separated by tabs, are expected"),
        ("1\t2\ton\n1\t2\n", "line 2: has 2 columns; start, end and word, separated by tabs, are expected"),
        ("\n1\t2\ton\tloud\n", "line 2: has 4 columns; start, end and word, separated by tabs, are expected"),
        ("start\tend\tword\n1\t2,5\ton\n", "line 2: end '2,5' is not a number of seconds"),
        ("1\t2\ton\nstart\tend\tword\n", "line 2: start 'start' is not a number of seconds"),
        ("2\t1\ton\n", "line 1: from 2 s to 1 s is not a time span; start must be before end"),
        ("1\t1\ton\n", "line 1: from 1 s to 1 s is not a time span; start must be before end"),
        ("-1\t1\ton\n", "line 1: from -1 s to 1 s is not a time span; start must be before end"),
        ("nan\t1\ton\n", "line 1: from nan s to 1 s is not a time span; start must be before end"),
        ("1\tinf\ton\n", "line 1: from 1 s to inf s is not a time span; start must be before end"),
        ("1\t2\t \n", "line 1: names no word"),
    ],
)
def test_what_is_no_label_is_an_error_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_labels(path)
    assert str(caught.value) == f"{path}, {message}"


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.tsv: No such file or directory"):
        read_labels(tmp_path / "missing.tsv")
    (tmp_path / "sound.wav").write_bytes(b"RIFF\xff\xfe\x80")
    with pytest.raises(UsageError, match=r"sound\.wav: not a text file in UTF-8"):
        read_labels(tmp_path / "sound.wav")
    with pytest.raises(UsageError, match="nowhere"):
        write_labels(tmp_path / "nowhere" / "labels.tsv", [])


@given(
    times=st.lists(st.tuples(st.integers(0, 10**8), st.integers(1, 10**5)), max_size=20),
    word=st.text("abcäß ", min_size=1).map(str.strip).filter(bool),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, times: list[tuple[int, int]], word: str
) -> None:
    path = tmp_path_factory.mktemp("labels") / "labels.tsv"
    labels = sorted(LabelledWord(start / 10000, (start + length) / 10000, word) for start, length in times)
    write_labels(path, labels)
    assert list(read_labels(path)) == labels


def test_transcripts_are_found_wherever_they_stand(tmp_path: Path) -> None:
    (tmp_path / "1" / "2").mkdir(parents=True)
    (tmp_path / "1" / "2" / "1-2.trans.txt").write_text("1-2-0000 GO ON GO\n1-2-0001 NO\n")
    (tmp_path / "3.trans.txt").write_text("3-0000\n")
    (tmp_path / "notes.txt").write_text("9-0000 STOP\n")
    assert transcripts(tmp_path) == {"1-2-0000": ("go", "on", "go"), "1-2-0001": ("no",), "3-0000": ()}
