"""Word files: a word that was learned from recordings, without their sound."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from kws.common.files import read_file, replacing
from kws.common.names import composed
from kws.decision import KeywordOptions, Options, read_options
from kws.decision.options import check_values
from kws.errors import ModelError, UsageError
from kws.inference.model import Description
from kws.types import SILENCE, UNKNOWN, Float32Array

_FORMAT = 1


class WordFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The contents of a word file.

    Attributes:
        format: the format of this file, 1.
        word: what it hears.
        model: the name of the model.
        sha256: of the network whose embeddings the classifier takes.
        weights: float32 ``(embedding,)``; with ``bias`` they make an embedding the logit of the word's score.
        bias: see ``weights``.
        settings: the word's decision settings, as in a table ``keyword.WORD``.
        lengths: seconds of the word in each recording that it was learned from, synthetic voices included.
        examples: int8 ``(recordings, copies, features)``: features of the recordings, to learn from again with more of
            them. No sound can be made of them.
        negatives: likewise of what fired wrongly.
        report: the results of enrolment.
    """

    format: int = _FORMAT
    word: str
    model: str
    sha256: str
    weights: bytes
    bias: float
    settings: dict[str, Any] = {}
    lengths: tuple[float, ...] = ()
    examples: bytes = b""
    negatives: bytes = b""
    report: dict[str, Any] = {}

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "word", composed(self.word))

    @property
    def weight_vector(self) -> Float32Array:
        return np.frombuffer(self.weights, "<f4")

    @property
    def options(self) -> KeywordOptions:
        """The word's decision settings.

        Raises:
            OptionError: they are wrong.
        """
        return read_options({"keyword": {self.word: self.settings}}).keyword[self.word]


def read_word(path: Path) -> WordFile:
    """Read a word file.

    Raises:
        UsageError: it is missing, damaged or no word file.
    """
    try:
        word = msgspec.json.decode(read_file(path), type=WordFile)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: damaged, or no word file of kws enroll ({error})") from None
    if word.format != _FORMAT:
        raise UsageError(f"{path}: format {word.format}; this version of kws reads format {_FORMAT}")
    if len(word.weights) % 4 or not (math.isfinite(word.bias) and np.isfinite(word.weight_vector).all()):
        raise UsageError(f"{path}: damaged: its classifier is not made of numbers; enroll the word again")
    try:
        check_name(word.word)
        check_values(Options(keyword={word.word: word.options}))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    return word


def write_word(path: Path, word: WordFile) -> None:
    """Write a word file; a file that is there already is replaced.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        with replacing(path) as file:
            file.write(msgspec.json.format(msgspec.json.encode(word), indent=1) + b"\n")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from None


def check_name(word: str) -> None:
    """Check what a word is called.

    Raises:
        UsageError: nothing could be called so.
    """
    if not word.strip() or not word.isprintable() or word in (SILENCE, UNKNOWN):
        raise UsageError(f"{word!r} cannot be the name of a word")


def check_fits(path: Path, word: WordFile, description: Description) -> None:
    """Check that a model can hear a word.

    Raises:
        UsageError: it cannot; the message says how to make it so.
    """
    again = f"enroll {word.word!r} again with --model {description.name}"
    if not description.embedding:
        raise ModelError(f"{path}: the model {description.name} has no embedding, which enrolled words need")
    if word.sha256 not in description.sha256.values():
        other = f"the model {word.model}" if word.model != description.name else f"another version of {word.model}"
        raise UsageError(f"{path}: was enrolled with {other}; {again}")
    if len(word.weight_vector) != description.embedding:
        raise UsageError(f"{path}: damaged: its classifier does not fit the model {description.name}; {again}")
