"""Words made of tones, so that a network can learn them in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from kws.types import Float32Array

RATE = 16000
PITCHES = {"low": 300.0, "high": 2400.0, "other": 900.0}


def tone(pitch: float, seconds: float, *, level: float = 0.2, rate: int = RATE) -> Float32Array:
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


def tone_clip(pitch: float, rng: np.random.Generator) -> Float32Array:
    """A second with 0.4 s of a tone near the pitch, somewhere in it, over a faint hiss."""
    clip = rng.standard_normal(RATE, np.float32) * np.float32(1e-3)
    word = tone(pitch * rng.uniform(0.95, 1.05), 0.4)
    start = int(rng.integers(0, RATE - len(word)))
    clip[start : start + len(word)] += word
    return clip


def write_words(folder: Path, *, speakers: int, seed: int = 0) -> None:
    """A folder of words of :data:`PITCHES`, one clip of each for every speaker, and background noise."""
    rng = np.random.default_rng(seed)
    for word, pitch in PITCHES.items():
        (folder / word).mkdir(parents=True)
        for speaker in range(speakers):
            soundfile.write(folder / word / f"speaker{speaker}_nohash_0.wav", tone_clip(pitch, rng), RATE)
    noise = folder / "_background_noise_"
    noise.mkdir()
    soundfile.write(noise / "hiss.wav", rng.standard_normal(3 * RATE).astype(np.float32) * 0.05, RATE)
