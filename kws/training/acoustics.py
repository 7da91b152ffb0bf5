"""The acoustics of a mixed window: other people's talk, a room, noise and the level."""

from __future__ import annotations

import numpy as np

from kws.audio.augment import Room, coloured_noise, decibels, place, rms, room_response
from kws.corpus.clips import Recordings
from kws.training.recipe import Mix
from kws.types import Float32Array

_ROOMS = 400
_HISSES = 100


class Acoustics:
    """Draws what surrounds the words of windows.

    Args:
        rng: of all draws.
        mix: shares and ranges.
        speech: running speech.
        noise: recordings of noise; made noise is used as well, and alone if there are none.
        window: samples of a window.
    """

    def __init__(
        self, rng: np.random.Generator, mix: Mix, *, speech: Recordings, noise: Recordings, window: int
    ) -> None:
        self._rng = rng
        self._mix = mix
        self._speech = speech
        self._recorded = noise
        self._window = window
        self._rooms = [Room(room_response(rng), window) for _ in range(_ROOMS)]
        self._hisses = [coloured_noise(rng, 2 * window, slope) for slope in np.linspace(0.0, 1.0, _HISSES)]
        self._talk_levels: dict[int, float] = {}  # of whole recordings of speech, by index

    def finish(self, window: Float32Array, level: float | None) -> Float32Array:
        """Return the window in a room, in noise and at a level of the mix; ``level`` is that of its words, if any."""
        rng, mix = self._rng, self._mix
        if level is None:
            # From a loud street to a dead microphone.
            window = self._noise() * decibels(rng.uniform(-90.0, -15.0)) if rng.random() < 0.97 else window
        else:
            if rng.random() < mix.room:
                window = self._rooms[int(rng.integers(len(self._rooms)))](window)
            wanted = decibels(rng.uniform(*mix.level))
            window = window * (wanted / np.float32(level))
            if rng.random() < mix.noise:
                window = window + self._noise() * (wanted * decibels(-rng.uniform(*mix.snr)))
        if rng.random() < 0.8:
            window = window + self._hiss() * decibels(rng.uniform(-90, -60))
        clipped: Float32Array = np.clip(window, -1.0, 1.0, dtype=np.float32)
        return clipped

    def any_speech(self) -> Float32Array:
        """Return running speech from a random position, at most a window."""
        return self.speech_at(int(self._rng.integers(len(self._speech.data))))[0]

    def speech_at(self, position: int) -> tuple[Float32Array, int]:
        """Return running speech from a position, at most a window of one recording, and the recording's index."""
        speech = self._speech
        index = int(np.searchsorted(speech.starts, position, "right")) - 1
        begin, stop = int(speech.starts[index]), int(speech.starts[index + 1])
        first = max(begin, min(position, stop - self._window))
        return speech.data[first : min(first + self._window, stop)] * np.float32(1 / 32768), index

    def talk(self, level: float) -> Float32Array | None:
        """Return a window of somebody else's speech, below words of this level; None if the mix wants none here."""
        rng, mix, speech = self._rng, self._mix, self._speech
        if not (mix.talk > 0 and len(speech) and rng.random() < mix.talk):
            return None
        second, index = self.speech_at(int(rng.integers(len(speech.data))))
        # Level from the whole recording, so that its pauses stay pauses.
        whole = self._talk_levels.setdefault(index, rms(speech[index]))
        factor = np.float32(level / max(whole, rms(second))) * decibels(-rng.uniform(*mix.talk_snr))
        return place(second * factor, self._window, at=int(rng.integers(0, max(1, self._window - len(second) + 1))))

    def _noise(self) -> Float32Array:
        """Return a window of noise at level 1, recorded or made."""
        rng, recorded, window = self._rng, self._recorded, self._window
        if not len(recorded) or rng.random() < 0.15:
            return self._hiss()
        sound = recorded[int(rng.integers(0, len(recorded)))]
        if len(sound) < window:
            sound = np.resize(sound, window)
        first = int(rng.integers(0, len(sound) - window + 1))
        second = sound[first : first + window]
        if rng.random() < 0.3:
            second = second[::-1]
        # Level from the whole recording, so that a bark between silences stays louder than its floor.
        return second * np.float32(1 / max(rms(sound), rms(second)))

    def _hiss(self) -> Float32Array:
        """Return a window of steady noise, white to brown, at level 1."""
        hiss = self._hisses[int(self._rng.integers(_HISSES))]
        first = int(self._rng.integers(self._window))
        second: Float32Array = hiss[first : first + self._window]
        return second
