"""The effects of a room and a microphone on sound, checked as physics."""

from __future__ import annotations

import numpy as np
import pytest

from kws.audio.augment import Room, change_speed, coloured_noise, decibels, rms, room_response
from kws.types import Float32Array
from tests.support.tone_words import tone


def spectrum_peak(sound: Float32Array) -> float:
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.argmax(spectrum) * 16000 / len(sound))


def test_decibels_are_amplitude_ratios() -> None:
    assert decibels(20) == pytest.approx(10)
    assert decibels(-6.0206) == pytest.approx(0.5, rel=1e-5)


@pytest.mark.parametrize("factor", [0.9, 1.0, 1.12])
def test_speed_moves_pitch_and_length_together(factor: float) -> None:
    sound = change_speed(tone(1000, 1.0), factor)
    assert len(sound) == int(16000 / factor)
    assert spectrum_peak(sound) == pytest.approx(1000 * factor, abs=2)


@pytest.mark.parametrize(("slope", "per_octave"), [(0.0, 0.0), (0.5, 3.01), (1.0, 6.02)])
def test_noise_falls_as_its_slope_says(slope: float, per_octave: float) -> None:
    noise = coloured_noise(np.random.default_rng(0), 1 << 18, slope)
    assert rms(noise) == pytest.approx(1.0, rel=1e-4)
    power = np.abs(np.fft.rfft(noise)) ** 2
    octaves = [10 * np.log10(power[n : 2 * n].mean()) for n in (1 << 12, 1 << 13, 1 << 14, 1 << 15)]
    assert np.diff(octaves) == pytest.approx([-per_octave] * 3, abs=0.3)


def test_a_room_keeps_energy_and_begins_with_the_direct_sound() -> None:
    for seed in range(20):
        response = room_response(np.random.default_rng(seed))
        assert np.sum(response**2) == pytest.approx(1.0, rel=1e-4)
        assert len(response) <= 0.4 * 16000


def test_through_a_delay_is_a_delay() -> None:
    sound = np.random.default_rng(1).standard_normal(1000).astype(np.float32)
    delay = np.zeros(50, np.float32)
    delay[49] = 0.5
    heard = Room(delay, 1000)(sound)
    assert len(heard) == len(sound)
    assert np.allclose(heard[:49], 0, atol=1e-5)
    assert np.allclose(heard[49:], 0.5 * sound[:-49], atol=1e-5)
