"""The extent of the word in a short clip, by its energy.

Clips of single words carry silence, breath and clicks around the word. Training places words by their true ends,
and a mixed evaluation stream labels them, so both must agree on where a word begins and stops.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kws.audio.augment import rms
from kws.audio.resample import RATE
from kws.types import Float32Array

_FRAME = 0.02
_FLOOR_PERCENTILE = 10
_SHARE = 0.3
_LARGEST_DROP = 35.0
_MARGIN = 0.02
#: The longest pauses in a word (the closure in "stop") and between the words of a phrase, in seconds.
PAUSE_IN_WORD, PAUSE_IN_PHRASE = 0.15, 0.8


@dataclass(frozen=True, slots=True, eq=False)
class WordClip:
    """A recording of a word, which lies between two samples.

    Attributes:
        sound: float32 ``(n,)`` at 16 kHz.
        start, end: of the word, in samples.
    """

    sound: Float32Array
    start: int
    end: int

    @property
    def word(self) -> Float32Array:
        return self.sound[self.start : self.end]

    @property
    def length(self) -> int:
        return self.end - self.start

    @property
    def seconds(self) -> float:
        return self.length / RATE

    @property
    def level(self) -> float:
        return rms(self.word)

    def with_margin(self, seconds: float) -> Float32Array:
        """Return the word with so much of the recording, or of silence, before and after it."""
        margin = round(seconds * RATE)
        padded = np.pad(self.sound, margin)
        return padded[self.start : self.end + 2 * margin]


def levels(samples: Float32Array, sample_rate: int = RATE) -> Float32Array:
    """Return the level of every 20 ms of the sound, in decibels re full scale; -120 dB for digital silence."""
    size = round(_FRAME * sample_rate)
    count = max(1, len(samples) // size)
    framed = samples[: count * size].reshape(count, -1).astype(np.float32)
    decibels: Float32Array = 10 * np.log10(np.mean(framed**2, axis=1) + 1e-12)
    return decibels


def word_extent(
    samples: Float32Array, sample_rate: int = RATE, *, longest_pause: float = PAUSE_IN_WORD
) -> tuple[int, int]:
    """Find the word in a clip that holds one.

    A frame is part of the word if its level lies above the floor (the clip's 10th percentile) by 30 % of the
    distance between floor and loudest frame, and at most 35 dB below the loudest. From the loudest run of frames, the
    word grows over pauses (the closure in "stop"), then by a margin of 20 ms for soft onsets.

    Args:
        samples: float32 ``(n,)`` in [-1, 1], ``n`` at least 1.
        sample_rate: hertz.
        longest_pause: seconds of a pause within the word.

    Returns:
        First sample of the word, and the one after its last.
    """
    level = levels(samples, sample_rate)
    size = round(_FRAME * sample_rate)
    floor, peak = np.percentile(level, _FLOOR_PERCENTILE), level.max()
    loud = np.flatnonzero(level >= max(floor + _SHARE * (peak - floor), peak - _LARGEST_DROP))
    breaks = np.flatnonzero(np.diff(loud) > longest_pause / _FRAME + 1)
    runs = np.split(loud, breaks + 1)
    word = max(runs, key=lambda frames: float(np.sum(10 ** (level[frames] / 10))))
    margin = round(_MARGIN * sample_rate)
    return max(0, int(word[0]) * size - margin), min(len(samples), (int(word[-1]) + 1) * size + margin)


def clip_window(samples: Float32Array, window: int = 16000) -> Float32Array:
    """Return a clip as one window for a network.

    Args:
        samples: float32 ``(n,)``.
        window: its samples.

    Returns:
        float32 ``(window,)``: a shorter clip in the middle of silence, a longer one cut round its words, or round the
        loudest if they are too long.
    """
    spare = window - len(samples)
    if spare >= 0:
        return np.pad(samples, (spare // 2, spare - spare // 2))
    start, end = word_extent(samples, longest_pause=PAUSE_IN_PHRASE)
    if end - start > window:
        start, end = word_extent(samples)
    first = min(max(0, (start + end - window) // 2), -spare)
    return samples[first : first + window]
