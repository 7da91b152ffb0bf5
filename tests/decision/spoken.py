"""Sound as strings, one character a window, and what fires as strings below them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from kws.audio.noise_floor import NoiseFloor
from kws.decision import (
    Decider,
    Decision,
    DecisionOptions,
    DecisionSettings,
    GateOptions,
    KeywordOptions,
    Options,
    resolve,
)
from kws.types import SILENCE, UNKNOWN, Float32Array

LABELS = (SILENCE, UNKNOWN, "on", "off", "computer")
HOP = 800
WINDOW = 16000
#: Windows of 50 ms under a second, and in the second and a half before it that counts as the speech before a word.
LAG, ASKED = 20, 30

# What the network hears: a label for certain, or "on" in eighths and silence for the rest.
LETTERS = {".": SILENCE, "?": UNKNOWN, "o": "on", "f": "off", "c": "computer"}
EIGHTHS = "012345678"
# How loud the newest hop is.
LEVELS = {"-": -60.0, "=": -40.0, "#": -20.0}


def posteriors(heard: str) -> Float32Array:
    """Posteriors ``(windows, labels)``: all exact in binary, so that averages of two, four or eight are too."""
    rows = np.zeros((len(heard), len(LABELS)), np.float32)
    for row, letter in zip(rows, heard, strict=True):
        if letter in EIGHTHS:
            row[LABELS.index("on")] = int(letter) / 8
            row[LABELS.index(SILENCE)] = 1 - int(letter) / 8
        else:
            row[LABELS.index(LETTERS[letter])] = 1.0
    return rows


def levels(sound: str) -> list[float]:
    return [LEVELS[letter] for letter in sound]


def settings(
    gate: GateOptions | None = None, keyword: dict[str, KeywordOptions] | None = None, **options: Any
) -> DecisionSettings:
    """Settings that make strings easy to read: an average is a posterior, and there is no refractory time."""
    plain: dict[str, Any] = {"threshold": 0.75, "release": 0.5, "near": 0.5, "smoothing": 0.05, "refractory": 0.0}
    layer = Options(decision=DecisionOptions(**(plain | options)), keyword=keyword or {}, gate=gate or GateOptions())
    return resolve(LABELS, {"test": layer})


def silences(loudness: list[float]) -> list[bool]:
    """Return for each window of a segment if it held nothing but the noise floor, as the pipeline finds it."""
    floor = NoiseFloor.under(WINDOW, HOP, 16000)
    return [window > 0 and floor.step(level) for window, level in enumerate(loudness)]


def step_all(decider: Decider, heard: str, sound: str = "", first_end: int = WINDOW) -> Iterator[Decision]:
    """Yield the decision on each window."""
    loudness: list[float] | list[None] = levels(sound) if sound else [None] * len(heard)
    silent = silences(levels(sound)) if sound else [False] * len(heard)
    for window, (row, level) in enumerate(zip(posteriors(heard), loudness, strict=True)):
        yield decider.step(row, first_end + window * HOP, level, silent=silent[window])


def fires(heard: str, chosen: DecisionSettings, sound: str = "") -> str:
    """The letters of the keywords that fire, each below the window in which it does."""
    letters = {label: letter for letter, label in LETTERS.items()}
    line = ""
    for decision in step_all(Decider(LABELS, chosen), heard, sound):
        assert len(decision.fired) <= 1
        line += letters[decision.fired[0].keyword] if decision.fired else " "
    return line.rstrip()


def check(picture: str, chosen: DecisionSettings) -> None:
    """Compare with a picture: what is heard, perhaps how loud it is, and below it what must fire."""
    *given, expected = (line[4:].rstrip() for line in picture.strip("\n").splitlines()[:-1])
    assert fires(given[0], chosen, *given[1:]) == expected, f"\n{given[0]}\n{fires(given[0], chosen, *given[1:])}"
