"""Recordings of a word: finds the word in each, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from kws.audio.augment import decibels, rms
from kws.audio.recordings import read_audio
from kws.audio.resample import RATE
from kws.audio.word_extent import WordClip, levels, word_extent
from kws.errors import UsageError
from kws.types import Float32Array

#: Seconds of the longest word. Of one longer than a second, the middle counts.
LONGEST_SECONDS = 1.4
#: Seconds below which a word is called short: too many other words hold it.
SHORT_SECONDS = 0.3

_SHORTEST_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 0.3
_LONGEST_RECORDING_SECONDS = 30.0
_FAINT_DB, _QUIET_DB, _CONTRAST_DB = -65.0, -50.0, 10.0
_CLIPPED, _CLIPPED_SHARE = 0.985, 0.01
_EDGE_SECONDS, _EDGE_BELOW_DB = 0.03, 6.0


def read_recording(path: Path) -> WordClip:
    """Read a recording of a word.

    Raises:
        AudioError, UsageError: it cannot be read, or there is no word in it that can be learned.
    """
    return find_word(str(path), read_audio(path))


def find_word(name: str, sound: Float32Array) -> WordClip:
    """Find the word in a recording.

    Raises:
        UsageError: there is no word in it that can be learned; the message says why.
    """
    seconds = len(sound) / RATE
    if seconds > _LONGEST_RECORDING_SECONDS:
        limit = f"{_LONGEST_RECORDING_SECONDS:.0f} s at most"
        raise UsageError(f"{name}: lasts {seconds:.0f} s; a recording holds one word, and lasts {limit}")
    level = levels(sound) if len(sound) else np.full(1, -120.0, np.float32)
    if level.max() < _FAINT_DB:
        raise UsageError(f"{name}: silence; no word is heard")
    start, end = word_extent(sound, longest_pause=_LONGEST_PAUSE_SECONDS)
    found = WordClip(sound, start, end)
    if found.seconds < _SHORTEST_SECONDS:
        raise UsageError(f"{name}: only {found.seconds:.2f} s of sound; that is no word")
    if found.seconds > LONGEST_SECONDS:
        raise UsageError(
            f"{name}: the word lasts {found.seconds:.2f} s, and kws hears 1 s at a time: words up to "
            f"{LONGEST_SECONDS:g} s can be learned; choose a shorter phrase or say it faster"
        )
    return found


def complaint(recording: WordClip) -> str | None:
    """Return what is wrong with a recording that can be used but should be made again; None if it is good."""
    level = levels(recording.sound)
    loudest = float(level.max())
    if loudest < _QUIET_DB:
        return f"too quiet ({loudest:.0f} dB re full scale); speak louder or nearer"
    if loudest - float(np.percentile(level, 10)) < _CONTRAST_DB and len(recording.sound) > 1.5 * RATE:
        return "too noisy: the word hardly stands out"
    if np.mean(np.abs(recording.word) >= _CLIPPED) > _CLIPPED_SHARE:
        return "clipped; speak more softly or farther away, or turn the microphone down"
    edge = round(_EDGE_SECONDS * RATE)
    loud = recording.level * decibels(-_EDGE_BELOW_DB)
    for side, sound in (("beginning", recording.sound[:edge]), ("end", recording.sound[-edge:])):
        if rms(sound) > loud:
            return f"cut off at its {side}; leave a moment of quiet around the word"
    return None
