"""A labelled stream from clips of single words and recordings of noise.

Noise runs underneath without a break: recordings in random order, at most ten seconds of each, every one at the same
level, crossfaded. Each word is made as loud as the signal-to-noise ratio asks for against the noise that runs under
that very word, so the ratio holds for each word and not only on the whole. The same seed makes the same samples.

Other people's talk can run beneath all of it. Its ratio to the words holds on the whole: talk pauses, and a word that
falls into a pause is no fainter for it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from kws.audio.recordings import audio_files, read_audio
from kws.audio.word_extent import levels, word_extent
from kws.common.names import composed
from kws.corpus.transcripts import transcripts
from kws.corpus.word_folders import list_clips
from kws.errors import AudioError, UsageError
from kws.evaluation.labels import LabelledWord
from kws.types import Float32Array

RATE = 16000
#: Level of every recording of noise, in decibels re full scale.
NOISE_LEVEL = -35.0
#: Where noise pauses, a word is as loud as if there were this.
QUIETEST = -50.0
_LONGEST_PIECE = 10 * RATE
_CROSSFADE = RATE // 20
_FADE = RATE // 100
_SILENT_BELOW_PEAK = 60.0

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording of one word."""

    word: str
    path: Path


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """A mixed stream.

    Attributes:
        samples: int16 ``(n,)`` at 16 kHz.
        labels: of its words, in order.
    """

    samples: npt.NDArray[np.int16]
    labels: tuple[LabelledWord, ...]


def find_clips(folders: Iterable[Path], words: Sequence[str] | None = None) -> list[Clip]:
    """The clips of folders ``WORD/*``, in a fixed order; folders that begin with an underscore are no words.

    Args:
        folders: each with ``WORD/*.wav``, .flac or .ogg.
        words: the words to take; None takes all.

    Raises:
        UsageError: a folder or a word is not there.
    """
    clips = []
    for folder in folders:
        clips += [Clip(composed(word), path) for word, path in list_clips(folder) if not word.startswith("_")]
    there = sorted({clip.word for clip in clips})
    if not there:
        raise UsageError(f"{', '.join(map(str, folders))}: no clips in folders of words (WORD/*.wav, .flac or .ogg)")
    for word in words or ():
        if word not in there:
            raise UsageError(f"no clips of {word!r}; there are {', '.join(there)}")
    return [clip for clip in clips if not words or clip.word in words]


def find_noise(folders: Iterable[Path], kinds: Sequence[str] | None = None) -> list[Path]:
    """The recordings of folders of noise, in a fixed order.

    Args:
        folders: with recordings, or with a folder of them for each kind.
        kinds: names of such folders, or of recordings without their suffix; None takes all.

    Raises:
        UsageError: a folder or a kind is not there, or has no recordings.
    """
    files = []
    for folder in folders:
        found = audio_files(folder)
        if not found:
            raise UsageError(f"{folder}: no recordings (.wav, .flac or .ogg)")
        files += [(path, {*map(composed, path.relative_to(folder).parts[:-1]), composed(path.stem)}) for path in found]
    for kind in kinds or ():
        if not any(kind in names for _, names in files):
            raise UsageError(f"no noise called {kind!r}: name folders or files of {', '.join(map(str, folders))}")
    return [path for path, names in files if kinds is None or not names.isdisjoint(kinds)]


def find_talk(folders: Iterable[Path], without: Iterable[str]) -> list[Path]:
    """The recordings of folders of speech whose transcripts, where there are any, have none of some words.

    Args:
        folders: with recordings, and with transcripts as LibriSpeech has them.
        without: the words.

    Raises:
        UsageError: a folder is not there, or every recording has one of the words.
    """
    folders, words = list(folders), set(without)
    said = {name: set(text) for folder in folders for name, text in transcripts(folder).items()}
    files = [path for path in find_noise(folders) if words.isdisjoint(said.get(path.stem, ()))]
    if not files:
        raise UsageError(f"{folders[0]}: every recording has one of the words {', '.join(sorted(words))}")
    return files


def mix(
    clips: Sequence[Clip],
    *,
    backgrounds: Sequence[Sequence[Path]] = (),
    snr: float = 10.0,
    talk: Sequence[Path] = (),
    talk_snr: float = 20.0,
    gap: tuple[float, float] = (1.0, 3.0),
    count: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Stream:
    """Lay clips one after the other over noise.

    Args:
        clips: to choose from, each used at most once, in random order.
        backgrounds: kinds of recordings that run underneath, such as noise and speech, with equal shares; without
            any, the clips keep the level at which they were recorded and nothing but dither lies under them, unless
            there is talk.
        snr: decibels between the root mean square of a word and that of the noise under it.
        talk: recordings of speech that run underneath without a break. Without backgrounds, all words have one level.
        talk_snr: decibels between the root mean square of the words and that of the talk as a whole.
        gap: seconds between the end of a word and the start of the next, at least and at most.
        count: clips of each word, or all that there are where they are fewer; None takes all.
        seed: of everything random.
        progress: receives how many clips are done, of how many.

    Raises:
        UsageError: the gap cannot be.
        AudioError: a clip is silent or cannot be read.
    """
    if not 0 <= gap[0] <= gap[1] < float("inf"):
        raise UsageError(f"a gap of {gap[0]:g} to {gap[1]:g} s cannot be; give at least and at most, from 0")
    # Of Python's generators, this method alone is promised to give the same numbers for ever.
    draw = random.Random(seed).random  # noqa: S311 - chance for a test signal
    chosen = _choose(clips, count, draw)
    gaps = [round((gap[0] + (gap[1] - gap[0]) * draw()) * RATE) for _ in range(len(chosen) + 1)]
    words, labels, position = [], [], 0
    for i, clip in enumerate(chosen):
        position += gaps[i]
        sound, start, end = _cut(read_audio(clip.path), gaps[i] // 2, gaps[i + 1] // 2, clip.path)
        words.append((sound, start, position, position + end - start))
        labels.append(LabelledWord(position / RATE, (position + end - start) / RATE, clip.word))
        position += end - start
        if progress:
            progress(i + 1, len(chosen))
    stream = np.zeros(position + gaps[-1], np.float32)
    if backgrounds:
        _fill(stream, noise_pieces(backgrounds, draw))
    for sound, first, start, end in words:
        # Clips never overlap, so that this is the noise alone.
        noise = rms(stream[start:end])
        gain = 1.0
        if backgrounds:
            gain = max(noise, amplitude(QUIETEST)) * amplitude(snr) / rms(sound[first : first + end - start])
        elif talk:
            gain = amplitude(NOISE_LEVEL + talk_snr) / rms(sound[first : first + end - start])
        stream[start - first : start - first + len(sound)] += sound * np.float32(gain)
    if talk:
        beneath = np.zeros_like(stream)
        _fill(beneath, noise_pieces([talk], draw))
        stream += beneath * np.float32(amplitude(snr - talk_snr) if backgrounds else 1.0)
    return Stream(_quantise(stream, seed), tuple(labels))


def _choose(clips: Sequence[Clip], count: int | None, draw: Callable[[], float]) -> list[Clip]:
    """Some clips of each word, all in random order."""
    shuffled = _shuffle(clips, draw)
    if count is None:
        return shuffled
    taken: dict[str, int] = {}
    chosen = []
    for clip in shuffled:
        taken[clip.word] = taken.get(clip.word, 0) + 1
        if taken[clip.word] <= count:
            chosen.append(clip)
    return chosen


def _shuffle(things: Sequence[Thing], draw: Callable[[], float]) -> list[Thing]:
    keys = [draw() for _ in things]
    return [things[i] for i in sorted(range(len(things)), key=keys.__getitem__)]


def _cut(sound: Float32Array, before: int, after: int, path: Path) -> tuple[Float32Array, int, int]:
    """A clip with at most so many samples round its word, faded in and out, and the extent of the word in it."""
    start, end = word_extent(sound)
    if not rms(sound[start:end]):
        raise AudioError(f"{path}: is silent; no word can be laid into a stream")
    before, after = min(before, start), min(after, len(sound) - end)
    cut = sound[start - before : end + after].copy()
    for edge, margin in ((cut, before), (cut[::-1], after)):
        fade = min(_FADE, margin)
        edge[:fade] *= np.linspace(0, 1, fade, endpoint=False, dtype=np.float32)
    return cut, before, before + end - start


def noise_pieces(backgrounds: Sequence[Sequence[Path]], draw: Callable[[], float]) -> Iterator[Float32Array]:
    """Stretches of noise at :data:`NOISE_LEVEL` without end, each recording of a kind as often as the others."""
    decks: list[list[Path]] = [[] for _ in backgrounds]
    useless = 0
    while useless <= sum(map(len, backgrounds)):
        kind = int(draw() * len(backgrounds))
        decks[kind] = decks[kind] or _shuffle(backgrounds[kind], draw)
        sound = _sounding(read_audio(decks[kind].pop()))
        first = int(draw() * (len(sound) - _LONGEST_PIECE + 1)) if len(sound) > _LONGEST_PIECE else 0
        sound = sound[first : first + _LONGEST_PIECE]
        if len(sound) < 2 * _CROSSFADE or not rms(sound):
            useless += 1
            continue
        useless = 0
        yield sound * np.float32(amplitude(NOISE_LEVEL) / rms(sound))
    raise AudioError(f"{backgrounds[0][0].parent}: the noise is silent, or each recording shorter than 0.1 s")


def _sounding(sound: Float32Array) -> Float32Array:
    """A recording without the silence before and after it, with which some are filled up to a length."""
    level = levels(sound)
    loud = np.flatnonzero(level > max(level.max() - _SILENT_BELOW_PEAK, -119.0))
    frame = RATE // 50
    return sound[loud[0] * frame : (loud[-1] + 1) * frame] if len(loud) else sound[:0]


def _fill(stream: Float32Array, pieces: Iterator[Float32Array]) -> None:
    """Lay pieces end to end, each faded into the next at equal power."""
    rise = np.sin(np.linspace(0, np.pi / 2, _CROSSFADE, dtype=np.float32))
    position = 0
    while position < len(stream):
        piece = next(pieces)
        piece[:_CROSSFADE] *= rise
        piece[-_CROSSFADE:] *= rise[::-1]
        room = stream[position : position + len(piece)]
        room += piece[: len(room)]
        position += len(piece) - _CROSSFADE


def _quantise(stream: Float32Array, seed: int) -> npt.NDArray[np.int16]:
    """16 bits with triangular dither; turned down as a whole where it would clip, which leaves the ratios alone."""
    # The raw bits of a bit generator stay the same from version to version, what is drawn from them may not.
    bits = np.random.PCG64(seed).random_raw(len(stream))
    dither = ((bits >> np.uint64(32)).astype(np.float64) - (bits & np.uint64(0xFFFFFFFF)).astype(np.float64)) / 2**32
    peak = max(1.0, float(np.abs(stream).max(initial=0.0)) * 32768 / 32766)
    return np.clip(np.rint(stream * (32768 / peak) + dither), -32768, 32767).astype(np.int16)


def rms(sound: Float32Array) -> float:
    """Root mean square; 0 of nothing."""
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0


def amplitude(decibels: float) -> float:
    """The amplitude ratio of a level difference."""
    return float(10 ** (decibels / 20))
