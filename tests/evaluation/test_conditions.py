"""Clips in noise and in rooms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws.audio.word_extent import word_extent
from kws.errors import UsageError
from kws.evaluation.conditions import Conditions, simulate_rooms
from kws.evaluation.mix import rms
from kws.types import Float32Array
from tests.support.tone_words import tone


@pytest.fixture
def noise(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.wav" for number in range(6)]
    for seed, path in enumerate(paths):
        hiss = np.random.default_rng(seed).standard_normal(20000) * 0.02
        soundfile.write(path, hiss.astype(np.float32), 16000)
    return paths


def word() -> Float32Array:
    return np.concatenate([np.zeros(4000, np.float32), tone(1000, 0.5, level=0.1), np.zeros(4000, np.float32)])


@pytest.mark.parametrize("snr", [20.0, 0.0])
def test_the_ratio_holds_over_the_word(noise: list[Path], snr: float) -> None:
    start, end = word_extent(word())
    heard = Conditions(noise=noise, snr=snr)(word())
    rest = heard - word()
    assert 20 * np.log10(rms(word()[start:end]) / rms(rest[start:end])) == pytest.approx(snr, abs=0.05)
    assert rms(rest[:4000]) == pytest.approx(rms(rest[start:end]), rel=0.2)


def test_the_same_seed_does_the_same_and_every_sound_gets_other_noise(noise: list[Path]) -> None:
    first, again, other = Conditions(noise=noise), Conditions(noise=noise), Conditions(noise=noise, seed=1)
    heard = [first(word()) for _ in range(12)]
    assert all(np.array_equal(one, again(word())) for one in heard)
    assert not np.array_equal(heard[0], heard[1])
    assert any(not np.array_equal(one, other(word())) for one in heard)


def test_a_loud_word_is_turned_down_with_its_noise_instead_of_clipped(noise: list[Path]) -> None:
    loud = word() * np.float32(9.9)
    heard = Conditions(noise=noise, snr=0.0)(loud)
    assert np.abs(heard).max() == pytest.approx(1.0)
    assert len(heard) == len(loud)


def test_a_room_keeps_the_place_and_the_loudness_and_adds_a_tail() -> None:
    response = np.zeros(3000, np.float32)
    response[[500, 1500]] = 0.5, 0.25  # the direct sound after 500 samples, an echo 1000 later
    click = np.zeros(16000, np.float32)
    click[6000] = 0.5
    heard = Conditions(rooms=[response])(click)
    assert np.flatnonzero(np.abs(heard) > 1e-4).tolist() == [6000, 7000]
    assert heard[7000] / heard[6000] == pytest.approx(0.5, abs=1e-4)
    assert rms(heard) == pytest.approx(rms(click), rel=1e-4)


@pytest.mark.process
def test_rooms_reverberate_as_long_as_they_should() -> None:
    pytest.importorskip("pyroomacoustics", reason="rooms need the extra 'train'")
    times = []
    for response in simulate_rooms(0.3)[:8]:
        energy = np.cumsum(response[::-1].astype(np.float64) ** 2)[::-1]
        decay = 10 * np.log10(energy / energy[0] + 1e-12)
        # Schroeder's backward integral, from -5 to -25 dB, times three.
        times.append(3 * (np.argmax(decay < -25) - np.argmax(decay < -5)) / 16000)
    assert np.median(times) == pytest.approx(0.3, rel=0.35)


def test_a_reverberation_that_no_room_has() -> None:
    pytest.importorskip("pyroomacoustics", reason="rooms need the extra 'train'")
    with pytest.raises(UsageError, match=r"0\.01 s: no living room"):
        simulate_rooms(0.01)
