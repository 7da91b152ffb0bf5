"""Windows as the network will meet them in a stream: words at every place, in noise, in rooms, amid other words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from kws.corpus.clips import Recordings
from kws.corpus.word_extent import clip_window, word_extent
from kws.training.augment import Room, beeps, change_speed, coloured_noise, decibels, rms, room_response
from kws.training.mining import HardExamples
from kws.training.recipe import Mix
from kws.types import Float32Array

SILENCE_LABEL = 0
UNKNOWN_LABEL = 1
_FIRST_KEYWORD = 2
_ROOMS = 400
_HISSES = 100
_LEAST_CUT = 0.35
_CUT_LATE = 0.6
_NEIGHBOUR_GAP = (0.05, 0.35)
_FRAGMENT = (0.25, 0.5)
_REVERSED = 0.12
_BY_WORD = 0.5
_SENTENCE_BEFORE = 0.75
_SENTENCE_GAP = (0.0, 0.05)
_SENTENCE_LEVEL = (-4.0, 4.0)
_BUCKET = 4000  # samples of running speech that are hard, or not, together

#: The origin of a window that nothing can be learnt about for later ones.
NO_ORIGIN = -1


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """What windows are mixed from.

    Attributes:
        words: clips of single words.
        labels: int ``(len(words),)``; :data:`UNKNOWN_LABEL` for words that are no keywords. Labels beyond those of the
            keywords are of other words that are told apart in training, and are unknown words too.
        speech: running speech without keywords.
        sure: bool ``(len(speech),)``; whether a transcript tells that no keyword is said. Where none does, what the
            network takes for a keyword may be one, and is not heard more often for that.
        noise: recordings of noise.
    """

    words: Recordings
    labels: npt.NDArray[np.int64]
    speech: Recordings
    sure: npt.NDArray[np.bool_]
    noise: Recordings


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A window to learn from.

    Attributes:
        window: float32 ``(window,)`` in [-1, 1].
        label: of the network.
        origin: where it was drawn from, for :meth:`Mixer.report`, or :data:`NO_ORIGIN`.
        taught: True if teachers are asked about it too. They are not where they are known to be wrong: of other words,
            of talk under a word and of keywords in sentences, the label knows more than they do.
    """

    window: Float32Array
    label: int
    origin: int = NO_ORIGIN
    taught: bool = True


class Source(Protocol):
    """Where windows to learn from come from."""

    def draw(self) -> Example: ...


class Mixer:
    """Draws windows and labels without end; the same seed draws the same ones.

    Args:
        material: what to mix.
        mix: shares and ranges.
        labels: how many labels the model has; those of the material from here on are of other words.
        window: samples of a window.
        seed: of all draws.
    """

    def __init__(self, material: Material, mix: Mix, *, labels: int, window: int, seed: int | Sequence[int]) -> None:
        self._material = material
        self._mix = mix
        self._window = window
        self._rng = np.random.default_rng(seed)
        self._extents = [word_extent(material.words[i]) for i in range(len(material.words))]
        self._by_label = [np.flatnonzero(material.labels == label) for label in range(labels)]
        # Keywords are drawn by label, so that a word with few recordings is heard as often as the others.
        self._keywords = [label for label in range(_FIRST_KEYWORD, labels) if len(self._by_label[label])]
        others = sorted({int(label) for label in material.labels if label >= labels})
        self._by_other_word = [np.flatnonzero(material.labels == label) for label in others]
        self._by_label[UNKNOWN_LABEL] = np.flatnonzero((material.labels == UNKNOWN_LABEL) | (material.labels >= labels))
        self._rooms = [Room(room_response(self._rng), window) for _ in range(_ROOMS)]
        self._hisses = [coloured_noise(self._rng, 2 * window, slope) for slope in np.linspace(0.0, 1.0, _HISSES)]
        self._talk_levels: dict[int, float] = {}  # of whole recordings of speech, by their numbers
        # Words first, then buckets of running speech; both are numbered as origins.
        self._hard_words = HardExamples(len(material.words))
        self._hard_speech = HardExamples(-(-len(material.speech.data) // _BUCKET))

    def draw(self) -> Example:  # noqa: PLR0911 - one for each kind of window
        """One window with its label."""
        rng, mix = self._rng, self._mix
        kind = rng.random()
        if kind < mix.silence:
            return self._silence()
        kind -= mix.silence
        if kind < mix.speech and len(self._material.speech):
            window, loudness, origin = self._running_speech()
            return self._example(window, loudness, UNKNOWN_LABEL, origin)
        kind -= mix.speech
        if kind < mix.unknown and len(self._by_label[UNKNOWN_LABEL]):
            return self._unknown_word()
        kind -= mix.unknown
        label = int(rng.choice(self._keywords))
        if kind < mix.cut:
            return self._example(*self._cut_keyword(label), UNKNOWN_LABEL)
        kind -= mix.cut
        joined = len(self._material.speech) > 0
        if joined and kind < mix.fragment:
            return self._example(*self._fragment(label), UNKNOWN_LABEL)
        if joined and kind < mix.fragment + mix.sentence:
            return self._example(*self._in_sentence(label), UNKNOWN_LABEL, taught=False)
        return self._keyword(label)

    def report(self, origins: npt.NDArray[np.int64], keyword: Float32Array) -> None:
        """Hear of what was drawn: origins ``(n,)`` and the posterior of all keywords together ``(n,)``.

        May be called from another thread than :meth:`draw`.
        """
        words = len(self._material.words)
        spoken = (origins >= 0) & (origins < words)
        self._hard_words.report(origins[spoken], keyword[spoken])
        running = origins >= words
        self._hard_speech.report(origins[running] - words, keyword[running])

    def _word(self, label: int, index: int | None = None) -> tuple[Float32Array, int, int]:
        """A clip of this label (or that clip), perhaps at another speed, and the extent of its word."""
        rng = self._rng
        if index is None:
            index = int(rng.choice(self._by_label[label]))
        sound, (start, end) = self._material.words[index], self._extents[index]
        if rng.random() < self._mix.speed:
            factor = 1 + rng.uniform(-self._mix.speed_range, self._mix.speed_range)
            sound = change_speed(sound, factor)
            start, end = int(start / factor), min(len(sound), int(end / factor))
        return sound, start, end

    def _place(self, sound: Float32Array, end: int, target: int) -> Float32Array:
        """A window into which a sound is laid so that its sample ``end`` falls on sample ``target``."""
        window = np.zeros(self._window, np.float32)
        first = target - end
        begin, stop = max(0, first), min(self._window, first + len(sound))
        if begin < stop:
            window[begin:stop] = sound[begin - first : stop - first]
        return window

    def _as_recorded(self, sound: Float32Array) -> Float32Array:
        window = clip_window(sound, self._window)
        if self._mix.shift:
            later = round(self._rng.uniform(-self._mix.shift, self._mix.shift) * 16000)
            window = self._place(window, 0, later)
        clipped: Float32Array = np.clip(window, -1.0, 1.0, dtype=np.float32)
        return clipped

    def _keyword(self, label: int) -> Example:
        rng = self._rng
        sound, start, end = self._word(label)
        if rng.random() < self._mix.plain:
            return Example(self._as_recorded(sound), label)
        latest = self._window - int(rng.uniform(0.0, self._mix.newest) * 16000)
        target = int(min(self._window, max(latest, end - start)))
        loudness = rms(sound[start:end])
        if rng.random() < self._mix.neighbour:
            # The word stays whole; what stands beside it takes the place of its own clip's margin.
            window = self._place(sound[:end], end, target)
            self._add_neighbour(window, target - (end - start), target, loudness)
        else:
            window = self._place(sound, end, target)
        return self._example(window, loudness, label)

    def _add_neighbour(self, window: Float32Array, start: int, end: int, loudness: float) -> None:
        """Lay the tail of another word before ``start``, or the head of one after ``end``."""
        rng = self._rng
        gap = int(rng.uniform(*_NEIGHBOUR_GAP) * 16000)
        label = UNKNOWN_LABEL
        before = start - gap > 0 and (rng.random() < 0.7 or end + gap >= self._window)
        if before and rng.random() < 0.5:
            # A keyword just before is an older one: its own window has been and gone.
            label = int(rng.choice(self._keywords))
        if not len(self._by_label[label]):
            return
        other, first, last = self._word(label)
        other = other[first:last] * np.float32(loudness / rms(other[first:last])) * decibels(rng.uniform(-8, 4))
        if before:
            window += self._place(other, len(other), start - gap)
            return
        # Only the beginning of a later word, so that the keyword is the newest that is whole.
        room = self._window - end - gap
        if room > 0:
            window += self._place(other[: int(len(other) * 0.5)], 0, end + gap)

    def _unknown_word(self) -> Example:
        rng = self._rng
        index = self._hard_words.draw(rng) if rng.random() < self._mix.hard else None
        if index is None:
            index = self._any_other_word()
        label = int(self._material.labels[index])
        sound, start, end = self._word(UNKNOWN_LABEL, index)
        if rng.random() < self._mix.plain:
            return Example(self._as_recorded(sound), label, index, taught=False)
        loudness = rms(sound[start:end])
        length = end - start
        target = int(rng.uniform(length * 0.4, self._window + length * 0.5))
        window = self._place(sound, end, target)
        if rng.random() < 0.3:
            other, _, last = self._word(UNKNOWN_LABEL)
            window += self._place(other, last, target - length - int(rng.uniform(0.02, 0.4) * 16000))
        lost = max(length - target, target - self._window) / length
        return self._example(window, loudness, label if lost < _LEAST_CUT else UNKNOWN_LABEL, index, taught=False)

    def _any_other_word(self) -> int:
        """The number of a clip of another word.

        Half of them are drawn by word, so that a word with few recordings is heard as often as the others, and half by
        clip, so that words with a clip or two are heard at all.
        """
        rng = self._rng
        if self._by_other_word and rng.random() < _BY_WORD:
            return int(rng.choice(self._by_other_word[int(rng.integers(len(self._by_other_word)))]))
        return int(rng.choice(self._by_label[UNKNOWN_LABEL]))

    def _cut_keyword(self, label: int) -> tuple[Float32Array, float]:
        rng = self._rng
        sound, start, end = self._word(label)
        length = end - start
        lost = rng.uniform(_LEAST_CUT, 0.85)
        late = rng.random() < _CUT_LATE
        target = self._window + int(lost * length) if late else int((1 - lost) * length)
        return self._place(sound, end, target), rms(sound[start:end])

    def _fragment(self, label: int) -> tuple[Float32Array, float]:
        """The head of a keyword that goes on as something else, or its tail after something else."""
        rng = self._rng
        sound, start, end = self._word(label)
        loudness = rms(sound[start:end])
        length = int(rng.uniform(*_FRAGMENT) * (end - start))
        join = int(rng.uniform(0.25, 0.9) * self._window)
        rest, _ = self._second_of_speech(int(rng.integers(len(self._material.speech.data))))
        rest = rest * (np.float32(loudness / rms(rest)) * decibels(rng.uniform(-6, 3)))
        if rng.random() < 0.6:
            window = self._place(sound[: start + length], start + length, join)
            return window + self._place(rest, 0, join), loudness
        window = self._place(sound[end - length :], 0, join)
        return window + self._place(rest, len(rest), join), loudness

    def _in_sentence(self, label: int) -> tuple[Float32Array, float]:
        """A keyword with running speech of its own level right before it, right after it, or both."""
        rng = self._rng
        sound, start, end = self._word(label)
        sound = sound[start:end]
        loudness, length = rms(sound), len(sound)
        before = rng.random() < _SENTENCE_BEFORE
        # At least a quarter of a second of speech, unless the word is too long for that.
        least = int(0.25 * 16000)
        first = min(length + least, self._window) if before else length
        last = self._window if before else max(length, self._window - least)
        target = int(rng.integers(first, last + 1)) if first < last else last
        window = self._place(sound, length, target)
        joins = []
        if before:
            joins.append((target - length - int(rng.uniform(*_SENTENCE_GAP) * 16000), True))
        if not before or rng.random() < 0.5:
            joins.append((target + int(rng.uniform(*_SENTENCE_GAP) * 16000), False))
        for join, is_before in joins:
            rest, _ = self._second_of_speech(int(rng.integers(len(self._material.speech.data))))
            rest = rest * (np.float32(loudness / rms(rest)) * decibels(rng.uniform(*_SENTENCE_LEVEL)))
            window = window + self._place(rest, len(rest) if is_before else 0, join)
        return window, loudness

    def _talk(self, loudness: float) -> Float32Array:
        """A window of somebody else's running speech, as far below ``loudness`` as the mix says."""
        rng, speech = self._rng, self._material.speech
        second, index = self._second_of_speech(int(rng.integers(len(speech.data))))
        # Level from the whole recording, so that its pauses stay pauses.
        whole = self._talk_levels.setdefault(index, rms(speech[index]))
        factor = np.float32(loudness / max(whole, rms(second))) * decibels(-rng.uniform(*self._mix.talk_snr))
        return self._place(second * factor, 0, int(rng.integers(0, max(1, self._window - len(second) + 1))))

    def _example(
        self, window: Float32Array, loudness: float, label: int, origin: int = NO_ORIGIN, *, taught: bool = True
    ) -> Example:
        """A window with speech of level ``loudness`` as it is heard: perhaps over talk, in a room and in noise."""
        talk = self._mix.talk > 0 and len(self._material.speech) > 0 and self._rng.random() < self._mix.talk
        if talk:
            window = window + self._talk(loudness)
        return Example(self._finish(window, loudness), label, origin, taught and not talk)

    def _silence(self) -> Example:
        if self._rng.random() < self._mix.beeps:
            return Example(self._finish(beeps(self._rng, self._window), 1.0), SILENCE_LABEL)
        return Example(self._finish(np.zeros(self._window, np.float32), None), SILENCE_LABEL)

    def _running_speech(self) -> tuple[Float32Array, float, int]:
        rng, speech = self._rng, self._material.speech
        bucket = self._hard_speech.draw(rng) if rng.random() < self._mix.hard else None
        # By recorded time, not by recording: a long utterance is heard in proportion.
        position = int(rng.integers(len(speech.data)) if bucket is None else bucket * _BUCKET + rng.integers(_BUCKET))
        sound, index = self._second_of_speech(min(position, len(speech.data) - 1))
        origin = len(self._material.words) + position // _BUCKET if self._material.sure[index] else NO_ORIGIN
        if bucket is None and rng.random() < _REVERSED:
            # Speech backwards has the sounds of speech and says nothing.
            sound, origin = sound[::-1], NO_ORIGIN
        if rng.random() < self._mix.speed:
            sound = change_speed(sound, 1 + rng.uniform(-self._mix.speed_range, self._mix.speed_range))
        window = self._place(sound[: self._window], 0, int(rng.integers(0, max(1, self._window - len(sound) + 1))))
        return window, rms(sound), origin

    def _second_of_speech(self, position: int) -> tuple[Float32Array, int]:
        """Running speech from a position on, at most a window, all of one recording; and that recording's number."""
        speech = self._material.speech
        index = int(np.searchsorted(speech.starts, position, "right")) - 1
        begin, stop = int(speech.starts[index]), int(speech.starts[index + 1])
        first = max(begin, min(position, stop - self._window))
        return speech.data[first : min(first + self._window, stop)] * np.float32(1 / 32768), index

    def _noise(self) -> Float32Array:
        """A second of noise at level 1: recorded, or made."""
        rng, noise = self._rng, self._material.noise
        if not len(noise) or rng.random() < 0.15:
            return self._hiss()
        index = int(rng.integers(0, len(noise)))
        sound = noise[index]
        if len(sound) < self._window:
            sound = np.resize(sound, self._window)
        first = int(rng.integers(0, len(sound) - self._window + 1))
        second = sound[first : first + self._window]
        if rng.random() < 0.3:
            second = second[::-1]
        # Level from the whole recording, so that a bark between silences stays louder than its floor.
        return second * np.float32(1 / max(rms(sound), rms(second)))

    def _hiss(self) -> Float32Array:
        """A second of steady noise, white to brown, at level 1."""
        hiss = self._hisses[int(self._rng.integers(_HISSES))]
        first = int(self._rng.integers(self._window))
        second: Float32Array = hiss[first : first + self._window]
        return second

    def _finish(self, window: Float32Array, loudness: float | None) -> Float32Array:
        """The room, the noise and the level; ``loudness`` is the word's, None where there is none."""
        rng, mix = self._rng, self._mix
        if loudness is not None and rng.random() < mix.room:
            window = self._rooms[int(rng.integers(len(self._rooms)))](window)
        level = decibels(rng.uniform(*mix.level))
        if loudness is None:
            # From a loud street to a dead microphone.
            window = self._noise() * decibels(rng.uniform(-90.0, -15.0)) if rng.random() < 0.97 else window
        else:
            window = window * (level / np.float32(loudness))
            if rng.random() < mix.noise:
                window = window + self._noise() * (level * decibels(-rng.uniform(*mix.snr)))
        if rng.random() < 0.8:
            window = window + self._hiss() * decibels(rng.uniform(-90, -60))
        clipped: Float32Array = np.clip(window, -1.0, 1.0, dtype=np.float32)
        return clipped
