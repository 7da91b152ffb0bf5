"""Synthetic voices that say words: Kokoro where the user has its model files, otherwise espeak-ng and flite."""

from __future__ import annotations

import importlib
import io
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from kws.errors import KwsError, UsageError
from kws.types import Float32Array

_RATE = 16000
_PEAK = 0.7
_SLOWEST, _FASTEST = 0.75, 1.4
_INTONATIONS = (".", "!", "?", ",")
_ACCENTS = {"a": "en-us", "b": "en-gb"}  # the first letter of Kokoro's English voices
_ESPEAK_LANGUAGES = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029")
_ESPEAK_VARIANTS = ("m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5")
_ESPEAK_WORDS_A_MINUTE = 150
_FLITE_VOICES = ("kal16", "awb", "rms", "slt")


@dataclass(frozen=True, slots=True)
class Voice:
    """A synthetic voice.

    Attributes:
        name: fit for a file's name.
        speak: takes a text and a speed, and returns sound ``(n,)`` and its rate.
    """

    name: str
    speak: Callable[[str, float], tuple[Float32Array, int]]

    def say(self, text: str, *, speed: float = 1.0) -> Float32Array:
        """Return the text as sound, float32 ``(n,)`` at 16 kHz with a peak of 0.7.

        Args:
            text: in English.
            speed: 0.5 to 2; 1 is the voice's own.

        Raises:
            KwsError: the voice cannot say it.
        """
        if not any(map(str.isalnum, text)):
            raise KwsError(f"{text!r} has no word that a voice could say")
        try:
            sound, rate = self.speak(text, speed)
        except (OSError, ValueError, RuntimeError, subprocess.CalledProcessError) as error:
            raise KwsError(f"the voice {self.name} cannot say {text!r}: {error}") from error
        peak = float(np.abs(sound).max(initial=0.0))
        if not peak:
            raise KwsError(f"the voice {self.name} says nothing for {text!r}")
        resampled: Float32Array = soxr.resample(sound * np.float32(_PEAK / peak), rate, _RATE)
        return resampled


def voices() -> list[Voice]:
    """Return the voices of this computer, in a fixed order in which neighbours sound different.

    Raises:
        UsageError: there is none, or Kokoro's files are there and cannot be used; the message says what to install.
    """
    found = _kokoro_voices() or [*_espeak_voices(), *_flite_voices()]
    if not found:
        raise UsageError(
            "no synthetic voices: install espeak-ng and flite (Debian: apt install espeak-ng flite), or for natural "
            f"voices pip install kokoro-onnx and put its model files, kokoro-v1.0.onnx and voices-v1.0.bin, into "
            f"{_kokoro_folder()}"
        )
    random.Random(1).shuffle(found)  # noqa: S311 - an order, not a secret
    return found


def utterances(text: str, count: int, *, among: list[Voice]) -> Iterator[tuple[Voice, Float32Array]]:
    """Yield a text said by these voices in turn, with several speeds and intonations; the same each time.

    (From espeak-ng 1.52 on, the breath of some of its voices is random.)

    Raises:
        KwsError: a voice cannot say it.
    """
    rng = random.Random(text)  # noqa: S311 - variety, not a secret
    for number in range(count):
        voice = among[number % len(among)]
        yield voice, voice.say(text + rng.choice(_INTONATIONS), speed=rng.uniform(_SLOWEST, _FASTEST))


def _kokoro_folder() -> Path:
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(os.environ.get("KWS_KOKORO") or Path(data, "kws/kokoro"))


def _kokoro_voices() -> list[Voice]:
    folder = _kokoro_folder()
    files = [min(folder.glob(pattern), default=None) for pattern in ("kokoro*.onnx", "voices*.bin")]
    if not any(files) and "KWS_KOKORO" not in os.environ:
        return []
    if not all(files):
        raise UsageError(f"{folder}: Kokoro needs kokoro-v1.0.onnx and voices-v1.0.bin here; one is missing")
    try:
        kokoro = importlib.import_module("kokoro_onnx").Kokoro(*map(str, files))
        names = [name for name in kokoro.get_voices() if name[0] in _ACCENTS and name[2] == "_"]
    except ImportError as error:
        raise UsageError(f"{folder} has Kokoro's model files; to use them: pip install kokoro-onnx ({error})") from None
    except Exception as error:  # anything that a damaged file may lead to
        raise UsageError(f"{folder}: Kokoro cannot be loaded ({error})") from error

    def speaker(name: str) -> Callable[[str, float], tuple[Float32Array, int]]:
        def speak(text: str, speed: float) -> tuple[Float32Array, int]:
            sound, rate = kokoro.create(text, voice=name, speed=speed, lang=_ACCENTS[name[0]])
            return np.asarray(sound, np.float32), int(rate)

        return speak

    return [Voice(name.replace("_", "-"), speaker(name)) for name in names]


def _espeak_voices() -> list[Voice]:
    if not shutil.which("espeak-ng"):
        return []

    def speaker(voice: str, pitch: int) -> Callable[[str, float], tuple[Float32Array, int]]:
        def speak(text: str, speed: float) -> tuple[Float32Array, int]:
            words = str(round(speed * _ESPEAK_WORDS_A_MINUTE))
            return _output("espeak-ng", "-v", voice, "-s", words, "-p", str(pitch), "--stdin", "--stdout", text=text)

        return speak

    pairs = enumerate(product(_ESPEAK_LANGUAGES, _ESPEAK_VARIANTS))
    return [
        # Pitches from 20 to 80 of 99.
        Voice(f"espeak-{language}-{variant}", speaker(f"{language}+{variant}", 20 + 37 * number % 61))
        for number, (language, variant) in pairs
    ]


def _flite_voices() -> list[Voice]:
    if not shutil.which("flite"):
        return []

    def speaker(voice: str) -> Callable[[str, float], tuple[Float32Array, int]]:
        def speak(text: str, speed: float) -> tuple[Float32Array, int]:
            stretch = f"duration_stretch={1 / speed:.2f}"
            return _output("flite", "-voice", voice, "--setf", stretch, "-t", text, "-o", "/dev/stdout")

        return speak

    return [Voice(f"flite-{voice}", speaker(voice)) for voice in _FLITE_VOICES]


def _output(*command: str, text: str = "") -> tuple[Float32Array, int]:
    """Return the sound that a program writes to standard output as WAV."""
    done: Any = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    sound, rate = soundfile.read(io.BytesIO(done.stdout), dtype="float32")
    return sound, rate
