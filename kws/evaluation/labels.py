"""Labels of a recording: one line for each word, as ``kws mix`` writes and Audacity exports them.

A line holds start, end and word, separated by tabs, in seconds from the start of the recording. The first line may be a
header. Any other line is an error: a label that is skipped silently would be a word that is never missed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kws.common.names import composed
from kws.errors import UsageError

HEADER = ("start", "end", "word")


@dataclass(frozen=True, slots=True, order=True)
class LabelledWord:
    """A spoken word.

    Attributes:
        start, end: of the word, in seconds from the start of the recording.
        word: a keyword or any other word.
    """

    start: float
    end: float
    word: str


def read_labels(path: Path) -> tuple[LabelledWord, ...]:
    """Return the labels of a file, by start.

    Raises:
        UsageError: the file cannot be read, or a line is not a label; the message names the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not a text file in UTF-8; labels are lines of start, end and word") from None
    labels = []
    for number, line in enumerate(lines, 1):
        fields = tuple(field.strip() for field in line.split("\t"))
        if number == 1 and tuple(field.lower() for field in fields) in (HEADER, (*HEADER[:2], "label")):
            continue
        if line.strip():
            labels.append(_label(fields, f"{path}, line {number}"))
    return tuple(sorted(labels))


def _label(fields: tuple[str, ...], place: str) -> LabelledWord:
    if len(fields) != len(HEADER):
        raise UsageError(f"{place}: has {len(fields)} columns; start, end and word, separated by tabs, are expected")
    seconds = []
    for name, field in zip(HEADER, fields[:2], strict=False):
        try:
            seconds.append(float(field))
        except ValueError:
            raise UsageError(f"{place}: {name} {field!r} is not a number of seconds") from None
    start, end = seconds
    if not (math.isfinite(end) and 0 <= start < end):
        raise UsageError(f"{place}: from {start:g} s to {end:g} s is not a time span; start must be before end")
    if not fields[2]:
        raise UsageError(f"{place}: names no word")
    return LabelledWord(start, end, composed(fields[2]))


def write_labels(path: Path, labels: Iterable[LabelledWord]) -> None:
    """Write labels with a header, with four decimals.

    Raises:
        UsageError: the file cannot be written.
    """
    lines = ["\t".join(HEADER), *(f"{label.start:.4f}\t{label.end:.4f}\t{label.word}" for label in labels)]
    try:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
