"""Harder conditions for clips: a simulated room, then noise."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from kws.audio.word_extent import word_extent
from kws.errors import UsageError
from kws.evaluation.mix import QUIETEST, amplitude, noise_pieces, rms
from kws.types import Float32Array

RATE = 16000
ROOMS = 20
#: Metres: length, width and height of a room, least and most.
_SIZES = ((3.0, 8.0), (2.5, 6.0), (2.3, 3.2))
#: Metres that speaker and microphone keep from the walls.
_FROM_WALLS = 0.5
_HEIGHTS = (0.7, 1.8)
_NEAREST, _FARTHEST = 1.0, 3.0  # from speaker to microphone


class Conditions:
    """Puts each sound into another room and other noise; the same seed gives the same result.

    Args:
        noise: recordings of noise for under every sound.
        snr: decibels between the root mean square of the word and that of the noise under it.
        rooms: impulse responses ``(n,)`` at 16 kHz, taken in turn (:func:`simulate_rooms`).
        seed: of the noise's order and cuts.
    """

    def __init__(
        self,
        *,
        noise: Sequence[Path] = (),
        snr: float = 10.0,
        rooms: Sequence[Float32Array] = (),
        seed: int = 0,
    ) -> None:
        self._snr = snr
        self._rooms = rooms
        self._heard = 0
        # Python promises the same numbers in every version only for this method.
        draw = random.Random(seed).random  # noqa: S311 - chance for a test signal
        self._noise = _seconds(noise_pieces([noise], draw)) if noise else None

    def __call__(self, sound: Float32Array) -> Float32Array:
        """Return the sound of one word, float32 ``(n,)`` of a second at most, under the next conditions."""
        if self._rooms:
            sound = _in_room(sound, self._rooms[self._heard % len(self._rooms)])
        self._heard += 1
        if self._noise is not None:
            start, end = word_extent(sound)
            noise = next(self._noise)[: len(sound)]
            under = max(rms(noise[start:end]), amplitude(QUIETEST))
            sound = sound + noise * np.float32(rms(sound[start:end]) / (under * amplitude(self._snr)))
        peak = np.abs(sound).max(initial=1.0)
        heard: Float32Array = (sound / peak).astype(np.float32, copy=False)
        return heard


def _seconds(pieces: Iterator[Float32Array]) -> Iterator[Float32Array]:
    """Yield the pieces, joined, second by second."""
    rest = np.zeros(0, np.float32)
    for piece in pieces:
        rest = np.concatenate((rest, piece))
        while len(rest) >= RATE:
            yield rest[:RATE]
            rest = rest[RATE:]


def _in_room(sound: Float32Array, response: Float32Array) -> Float32Array:
    """Return the sound in a room, at the same place by its direct path and equally loud."""
    delay = int(np.abs(response).argmax())
    size = 1 << (len(sound) + len(response) - 1).bit_length()
    whole = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(response, size), size).astype(np.float32)
    heard = whole[delay : delay + len(sound)]
    return heard * np.float32(rms(sound) / max(rms(heard), 1e-9))


def simulate_rooms(reverberation: float) -> list[Float32Array]:
    """Return impulse responses of :data:`ROOMS` shoebox rooms by the image source method (pyroomacoustics).

    Args:
        reverberation: seconds in which sound decays by 60 dB (Sabine).

    Raises:
        UsageError: pyroomacoustics is not installed, or no room of these sizes has that reverberation.
    """
    try:
        import pyroomacoustics as pra  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(f"--room needs the extra 'train': pip install '.[train]' ({error})") from None
    rng = np.random.default_rng(0)
    responses: list[Float32Array] = []
    while len(responses) < ROOMS:
        size = np.array([rng.uniform(*span) for span in _SIZES])
        try:
            absorption, order = pra.inverse_sabine(reverberation, size)
        except ValueError:
            raise UsageError(f"a reverberation of {reverberation:g} s: no living room has that") from None
        speaker, microphone = (
            np.append(rng.uniform(_FROM_WALLS, size[:2] - _FROM_WALLS), rng.uniform(*_HEIGHTS)) for _ in range(2)
        )
        if not _NEAREST <= np.linalg.norm(speaker - microphone) <= _FARTHEST:
            continue
        room = pra.ShoeBox(size, fs=RATE, materials=pra.Material(absorption), max_order=order)
        room.add_source(speaker)
        room.add_microphone(microphone)
        room.compute_rir()
        responses.append(np.asarray(room.rir[0][0], np.float32))
    return responses
