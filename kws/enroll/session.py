"""A guided session: records a word from the microphone, again where a recording is no good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from kws.audio.resample import RATE
from kws.audio.word_extent import WordClip, levels
from kws.enroll.recordings import complaint, find_word
from kws.errors import AudioError, KwsError, UsageError
from kws.types import AudioBlock, Float32Array

#: Seconds of quiet that end a recording, and after which a recording without a word ends.
QUIET_SECONDS, WAIT_SECONDS = 0.8, 8.0

_BEFORE_SECONDS = 0.5  # of sound that is kept before the word
_LOUD_DB, _LEAST_DB = 12.0, -62.0
_LEAST_LOUD_SECONDS = 0.1
_TRIES = 3  # for each recording that is wanted


class Guide(Protocol):
    """Tells the speaker what to do."""

    def ask(self, number: int, count: int) -> None:
        """Say that the next recording begins now."""

    def level(self, db: float) -> None:
        """Show the level of the sound, in decibels re full scale."""

    def reject(self, problem: str) -> None:
        """Say why the last recording has to be made again."""


def record(
    blocks: Iterator[AudioBlock],
    count: int,
    guide: Guide,
    unlike: Callable[[list[WordClip]], list[int]] = lambda _: [],
) -> list[WordClip]:
    """Record a word several times.

    Args:
        blocks: of a microphone, at 16 kHz.
        count: the recordings that are wanted.
        guide: tells the speaker what to do.
        unlike: returns the places of recordings that are unlike the others; these are made again once.

    Raises:
        AudioError: the microphone ended.
        KwsError: too many recordings were no good.
    """
    made: list[WordClip] = []
    checked = False
    for _ in range(_TRIES * count):
        guide.ask(len(made) + 1, count)
        sound = _take(blocks, guide)
        if not sound.any():
            guide.reject("the microphone delivers nothing but zeros; is it muted?")
            continue
        try:
            recording = find_word(f"recording {len(made) + 1}", sound)
        except UsageError as error:
            guide.reject(str(error).partition(": ")[2])
            continue
        if problem := complaint(recording):
            guide.reject(problem)
            continue
        made.append(recording)
        if len(made) == count and not checked:
            checked = True
            for place in sorted(unlike(made), reverse=True):
                guide.reject(f"recording {place + 1} is unlike the others")
                del made[place]
        if len(made) == count:
            return made
    raise KwsError(f"only {len(made)} of {count} recordings are good; nothing was learned")


def _take(blocks: Iterator[AudioBlock], guide: Guide) -> Float32Array:
    """Return the sound from shortly before a word to the quiet after it, or what came in its place."""
    kept: list[Float32Array] = []
    floor = np.inf
    loud = quiet = heard = 0  # samples
    for block in blocks:
        level = float(levels(block.samples).max())
        guide.level(level)
        floor = min(floor, level)
        kept.append(block.samples)
        heard += len(block.samples)
        if level > max(floor + _LOUD_DB, _LEAST_DB):
            loud += len(block.samples)
            quiet = 0
        elif loud >= _LEAST_LOUD_SECONDS * RATE:
            quiet += len(block.samples)
        else:
            loud = 0
            kept = kept[-max(1, round(_BEFORE_SECONDS * RATE / len(block.samples))) :]
        if quiet >= QUIET_SECONDS * RATE or heard >= WAIT_SECONDS * RATE:
            return np.concatenate(kept)
    raise AudioError("the microphone ended before the word")
