"""Where mixed windows put their words, and what they call them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from kws.speech import levels
from kws.training.corpus import Recordings
from kws.training.mixing import SILENCE_LABEL, UNKNOWN_LABEL, Material, Mixer
from kws.training.recipe import Mix
from kws.values import Float32Array
from tests.training.sounds import tone

PLAIN = Mix(
    unknown=0, speech=0, silence=0, cut=0, neighbour=0, noise=0, room=0, speed=0, level=(-20.0, -20.0), newest=0.4
)


def recordings(sounds: list[Float32Array]) -> Recordings:
    data = [np.rint(sound * 32767).astype(np.int16) for sound in sounds]
    starts = np.cumsum([0, *(len(sound) for sound in data)])
    flat: npt.NDArray[np.int16] = np.concatenate(data) if data else np.zeros(0, np.int16)
    return Recordings(flat, starts.astype(np.int64), [Path(f"{i}.wav") for i in range(len(data))])


def material() -> Material:
    clips = [np.concatenate([np.zeros(4000, np.float32), tone(pitch, 0.4), np.zeros(5600, np.float32)]) for pitch in
             (500, 1000, 2000)]  # fmt: skip
    words = recordings(clips)
    speech = recordings([tone(3000, 5.0)])
    noise = recordings([np.random.default_rng(0).standard_normal(48000).astype(np.float32) * 0.1])
    return Material(words=words, labels=np.array([1, 2, 3]), speech=speech, noise=noise)


def mixer(mix: Mix, seed: int = 0) -> Mixer:
    return Mixer(material(), mix, labels=4, window=16000, seed=seed)


def pitch(window: Float32Array) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(window))))


def changed(**changes: object) -> Mix:
    return Mix(**{**{name: getattr(PLAIN, name) for name in PLAIN.__struct_fields__}, **changes})


def test_keywords_are_whole_at_every_place_that_is_allowed() -> None:
    draws = mixer(PLAIN)
    ends = []
    for _ in range(300):
        window, label = draws.draw()
        assert pitch(window) == pytest.approx({2: 1000, 3: 2000}[label], abs=2)
        loud = np.flatnonzero(np.abs(window) > 0.02)
        assert loud[-1] - loud[0] == pytest.approx(0.4 * 16000, abs=30)
        ends.append(loud[-1] / 16000)
    assert min(ends) >= 0.57
    assert min(ends) < 0.65
    assert max(ends) > 0.95


def test_the_level_is_the_words() -> None:
    window, _ = mixer(PLAIN).draw()
    assert max(levels(window)) == pytest.approx(-20, abs=0.7)


def test_the_shares_are_kept() -> None:
    draws = mixer(changed(unknown=0.2, speech=0.1, silence=0.3))
    labels = Counter(draws.draw()[1] for _ in range(2000))
    assert labels[SILENCE_LABEL] / 2000 == pytest.approx(0.3, abs=0.04)
    assert labels[UNKNOWN_LABEL] / 2000 == pytest.approx(0.3, abs=0.04)
    assert labels[2] / 2000 == pytest.approx(0.2, abs=0.04)


def test_a_word_of_which_much_is_missing_is_unknown() -> None:
    draws = mixer(changed(cut=1.0))
    for _ in range(100):
        window, label = draws.draw()
        assert label == UNKNOWN_LABEL
        loud = np.flatnonzero(np.abs(window) > 0.02)
        assert len(loud) == 0 or loud[-1] - loud[0] < 0.7 * 0.4 * 16000


def test_noise_lies_below_the_word_by_the_ratio() -> None:
    draws = mixer(changed(noise=1.0, snr=(10.0, 10.0)))
    quiet = []
    for _ in range(100):
        window, _ = draws.draw()
        # The first tenth of a second is before any word.
        quiet.append(10 * np.log10(np.mean(window[:1600] ** 2)))
    assert np.median(quiet) == pytest.approx(-30, abs=1.5)


def test_silence_has_no_word() -> None:
    draws = mixer(changed(silence=1.0))
    for _ in range(50):
        window, label = draws.draw()
        assert label == SILENCE_LABEL
        spectrum = np.abs(np.fft.rfft(window))
        for tone_at in (500, 1000, 2000):
            assert spectrum[tone_at] < 10 * np.median(spectrum[tone_at - 50 : tone_at + 50]) + 1e-2


def test_the_same_seed_draws_the_same() -> None:
    mix = Mix()
    first, second, other = mixer(mix, 5), mixer(mix, 5), mixer(mix, 6)
    for _ in range(20):
        (window, label), (same, same_label), (different, _) = first.draw(), second.draw(), other.draw()
        assert label == same_label
        assert np.array_equal(window, same)
        assert not np.array_equal(window, different)
        assert np.abs(window).max() <= 1.0
