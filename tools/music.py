"""Music-like sound: chords, a melody, a bass and drums, synthesised; no voice sings.

It tells whether a model takes music for words and hears words over it. Real music has more colours than this.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from kws.types import Float32Array

RATE = 16000
_SECONDS = 30
_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10))  # major and minor, in semitones
_PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (0, 3, 4, 4), (5, 3, 0, 4))


def note(
    rng: np.random.Generator, semitone: float, seconds: float, colour: Float32Array, attack: float
) -> Float32Array:
    """Return a tone ``(n,)`` with overtones of the given strengths, a slight vibrato, an attack and a decay."""
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = 110 * 2 ** (semitone / 12)
    phase = 2 * np.pi * pitch * time + rng.uniform(0, 0.6) * np.sin(2 * np.pi * rng.uniform(4, 6) * time)
    parts = [gain * np.sin((k + 1) * phase) for k, gain in enumerate(colour) if (k + 1) * pitch < RATE / 2]
    envelope = np.minimum(1, time / attack) * np.exp(-time / (0.6 * seconds)) * np.minimum(1, (seconds - time) / 0.02)
    sound: Float32Array = (np.sum(parts, axis=0) * envelope).astype(np.float32)
    return sound


def drum(rng: np.random.Generator, kind: str) -> Float32Array:
    """Return the sound of a kick, a snare or a hi-hat."""
    time = np.arange(round(0.25 * RATE)) / RATE
    hiss = rng.standard_normal(len(time))
    sounds = {
        "kick": np.sin(2 * np.pi * (50 * time + 8 * (1 - np.exp(-time * 25)))) * np.exp(-time * 14),
        "snare": (0.5 * hiss + 0.4 * np.sin(2 * np.pi * 190 * time)) * np.exp(-time * 20),
        "hat": 0.3 * np.diff(hiss, prepend=0.0) * np.exp(-time * 45),
    }
    sound: Float32Array = sounds[kind].astype(np.float32)
    return sound


def piece(seed: int, seconds: float = _SECONDS) -> Float32Array:
    """Return a piece of music-like sound, float32 ``(n,)`` at 16 kHz with a peak of 0.5; the same for the same seed."""
    rng = np.random.default_rng(seed)
    sound = np.zeros(round((seconds + 4) * RATE), np.float32)
    beat = 60 / rng.uniform(70, 150)
    key, scale = int(rng.integers(0, 12)), _SCALES[rng.integers(2)]
    progression = _PROGRESSIONS[rng.integers(len(_PROGRESSIONS))]
    chords, lead, bass = (
        rng.uniform(0.2, 1, 8).astype(np.float32) * 0.75 ** np.arange(8, dtype=np.float32) for _ in "clb"
    )
    attacks = rng.uniform(0.005, 0.08, 3)
    drums = rng.random() < 0.7

    def lay(at: float, tone: Float32Array, gain: float) -> None:
        first = round(at * RATE)
        sound[first : first + len(tone)] += gain * tone[: len(sound) - first]

    degree = 7
    for count in range(int(seconds / beat)):
        at, root = count * beat, progression[count // 4 % 4]
        if count % 4 == 0:
            for third in (0, 2, 4):
                semitone = key + 12 + scale[(root + third) % 7] + 12 * ((root + third) // 7)
                lay(at, note(rng, semitone, 4 * beat, chords, attacks[0]), 0.12)
        lay(at, note(rng, key - 12 + scale[root % 7], beat, bass, attacks[1]), 0.25)
        for half in range(rng.integers(1, 3)):
            degree = int(np.clip(degree + rng.integers(-2, 3), 0, 13))
            semitone = key + 24 + scale[degree % 7] + 12 * (degree // 7)
            lay(at + half * beat / 2, note(rng, semitone, beat * rng.uniform(0.4, 1), lead, attacks[2]), 0.25)
        if drums:
            lay(at, drum(rng, "snare" if count % 2 else "kick"), 0.4)
            lay(at + beat / 2, drum(rng, "hat"), 0.4)
    sound = sound[: round(seconds * RATE)]
    return sound * np.float32(0.5 / np.abs(sound).max())


def write_music(folder: Path, pieces: int) -> Path:
    """Write so many pieces to a folder, unless they are there; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(pieces):
        path = folder / f"{seed:03}.flac"
        if not path.exists():
            soundfile.write(path, piece(seed), RATE)
    return folder
