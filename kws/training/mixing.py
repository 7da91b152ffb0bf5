"""Mixing: windows as the network will meet them in a stream, with words at every place, in noise and amid others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from kws.audio.augment import change_speed, decibels, place, rms
from kws.audio.word_extent import WordClip, clip_window, word_extent
from kws.training.acoustics import Acoustics
from kws.training.augment import beeps
from kws.training.material import NO_ORIGIN, Example, Material
from kws.training.mining import HardExamples
from kws.training.recipe import FIRST_KEYWORD, SILENCE_LABEL, UNKNOWN_LABEL, Mix
from kws.types import Float32Array

_RATE = 16000
# Shares of a keyword: the least that is lost for it to count as unknown, and what is left of a fragment.
_LEAST_CUT, _MOST_CUT = 0.35, 0.85
_FRAGMENT = (0.25, 0.5)
_CUT_LATE, _HEAD, _REVERSED, _BY_WORD, _SENTENCE_BEFORE = 0.6, 0.6, 0.12, 0.5, 0.75
_NEIGHBOUR_GAP_SECONDS, _SENTENCE_GAP_SECONDS = (0.05, 0.35), (0.0, 0.05)
_SENTENCE_LEVEL_DB = (-4.0, 4.0)
_BUCKET = 4000  # samples of running speech that are scored together as hard examples


class Mixer:
    """Draws windows and labels without end; the same seed draws the same ones.

    Args:
        material: what to mix.
        mix: shares and ranges.
        labels: number of the model's labels; labels of the material from here on are of other words.
        window: samples of a window.
        seed: of all draws.
    """

    def __init__(self, material: Material, mix: Mix, *, labels: int, window: int, seed: int | Sequence[int]) -> None:
        self._material, self._mix, self._window = material, mix, window
        self._rng = np.random.default_rng(seed)
        self._extents = [
            word_extent(material.words[i], longest_pause=material.longest_pause(label))
            for i, label in enumerate(material.labels.tolist())
        ]
        by_label = {label: np.flatnonzero(material.labels == label) for label in np.unique(material.labels).tolist()}
        # Keywords are drawn by label, so that a word with few recordings is heard as often as the others.
        self._keywords = {label: by_label[label] for label in range(FIRST_KEYWORD, labels) if label in by_label}
        self._other_words = [clips for label, clips in by_label.items() if label >= labels]
        self._unknown = np.flatnonzero((material.labels == UNKNOWN_LABEL) | (material.labels >= labels))
        speech, noise = material.speech, material.noise
        self._acoustics = Acoustics(self._rng, mix, speech=speech, noise=noise, window=window)
        # Origins number the words first, then the buckets of running speech.
        self._hard_words = HardExamples(len(material.words))
        self._hard_speech = HardExamples(-(-len(speech.data) // _BUCKET))
        kinds = (
            (mix.silence, self._silence, True),
            (mix.speech, self._running_speech, len(speech)),
            (mix.unknown, self._unknown_word, len(self._unknown)),
            (mix.cut, self._cut_keyword, True),
            (mix.fragment, self._fragment, len(speech)),
            (mix.sentence, self._in_sentence, len(speech)),
            (1.0, self._keyword, True),
        )
        bounds = np.cumsum([share for share, _, _ in kinds])
        # The share of a kind without recordings goes to the kind after it.
        self._kinds = [(bound, make) for bound, (_, make, possible) in zip(bounds, kinds, strict=True) if possible]

    def draw(self) -> Example:
        """Return one window with its label."""
        kind = self._rng.random()
        return next(make() for bound, make in self._kinds if kind < bound)

    def report(self, origins: npt.NDArray[np.int64], keyword: Float32Array) -> None:
        """Score hard negatives: origins ``(n,)`` and the sum of all keywords' posteriors ``(n,)`` for each."""
        words = len(self._material.words)
        spoken, running = (origins >= 0) & (origins < words), origins >= words
        self._hard_words.report(origins[spoken], keyword[spoken])
        self._hard_speech.report(origins[running] - words, keyword[running])

    def _clip(self, index: int) -> WordClip:
        """Return a clip, perhaps at another speed."""
        sound, (start, end) = self._material.words[index], self._extents[index]
        if self._rng.random() < self._mix.speed:
            factor = 1 + self._rng.uniform(-self._mix.speed_range, self._mix.speed_range)
            sound = change_speed(sound, factor)
            start, end = int(start / factor), min(len(sound), int(end / factor))
        return WordClip(sound, start, end)

    def _any_keyword(self) -> tuple[int, WordClip]:
        label = int(self._rng.choice(list(self._keywords)))
        return label, self._clip(int(self._rng.choice(self._keywords[label])))

    def _place(self, sound: Float32Array, at: int) -> Float32Array:
        return place(sound, self._window, at=at)

    def _as_recorded(self, sound: Float32Array) -> Float32Array:
        window = clip_window(sound, self._window)
        if self._mix.shift:
            window = self._place(window, round(self._rng.uniform(-self._mix.shift, self._mix.shift) * _RATE))
        clipped: Float32Array = np.clip(window, -1.0, 1.0, dtype=np.float32)
        return clipped

    def _example(
        self, window: Float32Array, level: float, label: int, origin: int = NO_ORIGIN, *, taught: bool = True
    ) -> Example:
        """Return a window with speech of a level as it is heard: perhaps over talk, in a room and in noise."""
        talk = self._acoustics.talk(level)
        if talk is not None:
            window = window + talk
        return Example(self._acoustics.finish(window, level), label, origin, taught and talk is None)

    def _silence(self) -> Example:
        if self._rng.random() < self._mix.beeps:
            return Example(self._acoustics.finish(beeps(self._rng, self._window), 1.0), SILENCE_LABEL)
        return Example(self._acoustics.finish(np.zeros(self._window, np.float32), None), SILENCE_LABEL)

    def _keyword(self) -> Example:
        rng, mix = self._rng, self._mix
        label, clip = self._any_keyword()
        if rng.random() < mix.plain:
            return Example(self._as_recorded(clip.sound), label)
        latest = self._window - int(rng.uniform(0.0, mix.newest) * _RATE)
        end = int(min(self._window, max(latest, clip.length)))
        if rng.random() < mix.neighbour:
            # The word stays whole; its neighbour takes the place of the clip's margin.
            window = self._place(clip.sound[: clip.end], end - clip.end)
            self._add_neighbour(window, end - clip.length, end, clip.level)
        else:
            window = self._place(clip.sound, end - clip.end)
        return self._example(window, clip.level, label)

    def _add_neighbour(self, window: Float32Array, start: int, end: int, level: float) -> None:
        """Lay the tail of another word before ``start``, or the head of one after ``end``."""
        rng = self._rng
        gap = int(rng.uniform(*_NEIGHBOUR_GAP_SECONDS) * _RATE)
        before = start - gap > 0 and (rng.random() < 0.7 or end + gap >= self._window)
        if before and rng.random() < 0.5:
            # A keyword just before is an older one: its own window has passed.
            _, clip = self._any_keyword()
        elif len(self._unknown):
            clip = self._clip(int(rng.choice(self._unknown)))
        else:
            return
        other = clip.word * np.float32(level / clip.level) * decibels(rng.uniform(-8, 4))
        if before:
            window += self._place(other, start - gap - len(other))
        elif end + gap < self._window:
            # Only the beginning of a later word, so that the keyword is the newest whole word.
            window += self._place(other[: int(len(other) * 0.5)], end + gap)

    def _unknown_word(self) -> Example:
        rng = self._rng
        index = self._hard_words.draw(rng) if rng.random() < self._mix.hard else None
        if index is None:
            index = self._any_other_word()
        label, clip = int(self._material.labels[index]), self._clip(index)
        if rng.random() < self._mix.plain:
            return Example(self._as_recorded(clip.sound), label, index, taught=False)
        length = clip.length
        end = int(rng.uniform(length * 0.4, self._window + length * 0.5))
        window = self._place(clip.sound, end - clip.end)
        if rng.random() < 0.3:
            other = self._clip(int(rng.choice(self._unknown)))
            window += self._place(other.sound, end - length - int(rng.uniform(0.02, 0.4) * _RATE) - other.end)
        lost = max(length - end, end - self._window) / length
        return self._example(window, clip.level, label if lost < _LEAST_CUT else UNKNOWN_LABEL, index, taught=False)

    def _any_other_word(self) -> int:
        """Return the index of another word's clip.

        Half are drawn by word, so that a word with few recordings is heard as often as the others, and half by clip, so
        that words with a clip or two are heard at all.
        """
        by_word = self._other_words and self._rng.random() < _BY_WORD
        clips = self._other_words[int(self._rng.integers(len(self._other_words)))] if by_word else self._unknown
        return int(self._rng.choice(clips))

    def _cut_keyword(self) -> Example:
        _, clip = self._any_keyword()
        lost = self._rng.uniform(_LEAST_CUT, _MOST_CUT)
        late = self._rng.random() < _CUT_LATE
        end = self._window + int(lost * clip.length) if late else int((1 - lost) * clip.length)
        return self._example(self._place(clip.sound, end - clip.end), clip.level, UNKNOWN_LABEL)

    def _fragment(self) -> Example:
        """Return the head of a keyword that goes on as something else, or its tail after something else."""
        rng = self._rng
        _, clip = self._any_keyword()
        length = int(rng.uniform(*_FRAGMENT) * clip.length)
        join = int(rng.uniform(0.25, 0.9) * self._window)
        rest = self._acoustics.any_speech()
        rest = rest * (np.float32(clip.level / rms(rest)) * decibels(rng.uniform(-6, 3)))
        if rng.random() < _HEAD:
            last = clip.start + length
            window = self._place(clip.sound[:last], join - last) + self._place(rest, join)
        else:
            window = self._place(clip.sound[clip.end - length :], join) + self._place(rest, join - len(rest))
        return self._example(window, clip.level, UNKNOWN_LABEL)

    def _in_sentence(self) -> Example:
        """Return a keyword with running speech of its own level right before it, right after it, or both."""
        rng = self._rng
        _, clip = self._any_keyword()
        before = rng.random() < _SENTENCE_BEFORE
        # At least a quarter of a second of speech, unless the word is too long for that.
        least = _RATE // 4
        first = min(clip.length + least, self._window) if before else clip.length
        last = self._window if before else max(clip.length, self._window - least)
        end = int(rng.integers(first, last + 1)) if first < last else last
        window = self._place(clip.word, end - clip.length)
        for is_before in ([True] if before else []) + ([False] if not before or rng.random() < 0.5 else []):
            gap = int(rng.uniform(*_SENTENCE_GAP_SECONDS) * _RATE)
            rest = self._acoustics.any_speech()
            rest = rest * (np.float32(clip.level / rms(rest)) * decibels(rng.uniform(*_SENTENCE_LEVEL_DB)))
            window = window + self._place(rest, end - clip.length - gap - len(rest) if is_before else end + gap)
        return self._example(window, clip.level, UNKNOWN_LABEL, taught=False)

    def _running_speech(self) -> Example:
        rng, speech, mix = self._rng, self._material.speech, self._mix
        bucket = self._hard_speech.draw(rng) if rng.random() < mix.hard else None
        # By recorded time, not by recording: a long utterance is heard in proportion.
        position = int(rng.integers(len(speech.data)) if bucket is None else bucket * _BUCKET + rng.integers(_BUCKET))
        sound, index = self._acoustics.speech_at(min(position, len(speech.data) - 1))
        origin = len(self._material.words) + position // _BUCKET if self._material.sure[index] else NO_ORIGIN
        if bucket is None and rng.random() < _REVERSED:
            # Speech backwards has the sounds of speech and says nothing.
            sound, origin = sound[::-1], NO_ORIGIN
        if rng.random() < mix.speed:
            sound = change_speed(sound, 1 + rng.uniform(-mix.speed_range, mix.speed_range))
        window = self._place(sound[: self._window], int(rng.integers(0, max(1, self._window - len(sound) + 1))))
        return self._example(window, rms(sound), UNKNOWN_LABEL, origin)
