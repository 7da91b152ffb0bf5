"""Copies of a recording of a word: at other places in the window, speeds and levels, in noise and in rooms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from kws.audio.augment import Room, change_speed, coloured_noise, decibels, place, rms, room_response
from kws.audio.resample import RATE
from kws.audio.word_extent import WordClip
from kws.types import Float32Array

#: Seconds for which a word's score must stay high to fire; so many windows hold the word, from its end on.
SPAN_SECONDS = 0.36

_SPEED = 0.12
_MARGIN_SECONDS = 0.05
_ROOM = 0.4
_NOISY_DB = 10.0
_SNR_DB, _LEVEL_DB, _SLOPE = (3.0, 35.0), (-45.0, -12.0), (0.0, 1.0)


def copies(recording: WordClip, count: int, window: int, seed: int) -> Iterator[Float32Array]:
    """Yield windows ``(window,)`` that hold the word as other days and rooms would have it; a seed yields the same."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        factor = 1 + rng.uniform(-_SPEED, _SPEED)
        word = change_speed(recording.with_margin(_MARGIN_SECONDS), factor)
        margin, length = _MARGIN_SECONDS * RATE / factor, recording.length / factor
        first, last = _ends(length, window)
        sound = place(word, window, at=round(rng.uniform(first, last) - length - margin))
        if rng.random() < _ROOM:
            sound = Room(room_response(rng), window)(sound)
        noise = coloured_noise(rng, window, rng.uniform(*_SLOPE))
        sound = sound + noise * np.float32(recording.level) * decibels(-rng.uniform(*_SNR_DB))
        sound *= decibels(rng.uniform(*_LEVEL_DB)) / np.float32(rms(sound))
        yield np.clip(sound, -1.0, 1.0)


def noisy(recording: WordClip, seed: int) -> WordClip:
    """Return the recording with noise 10 dB below the word."""
    rng = np.random.default_rng(seed)
    noise = coloured_noise(rng, len(recording.sound), rng.uniform(*_SLOPE))
    return replace(recording, sound=recording.sound + noise * np.float32(recording.level) * decibels(-_NOISY_DB))


def passing(recording: WordClip, count: int, window: int) -> Iterator[Float32Array]:
    """Yield windows ``(window,)`` as the word passes through them, the oldest first: those that decide if it fires."""
    first, last = _ends(recording.length, window)
    margin = round(_MARGIN_SECONDS * RATE)
    word = recording.with_margin(_MARGIN_SECONDS)
    for end in np.linspace(last, first, count):
        yield place(word, window, at=round(end) - recording.length - margin)


def _ends(length: float, window: int) -> tuple[float, float]:
    """Return the first and last place in the window at which a word of this length may end.

    The places span :data:`SPAN_SECONDS`. A word too long to stay whole for that time is cut at both ends alike.
    """
    span = SPAN_SECONDS * RATE
    cut = max(0.0, span - (window - length)) / 2
    return window - span + cut, window + cut
