from __future__ import annotations

import numpy as np
import pytest

from kws.enroll.recordings import complaint, find_word
from kws.errors import UsageError
from kws.types import Float32Array

RATE = 16000


def recording(seconds: float = 0.6, *, level: float = 0.1, before: float = 0.5, after: float = 0.5) -> Float32Array:
    """A burst of noise in faint noise."""
    rng = np.random.default_rng(1)
    sizes = [round(part * RATE) for part in (before, seconds, after)]
    sound = np.repeat([1e-4, level, 1e-4], sizes) * rng.standard_normal(sum(sizes), np.float32)
    return np.clip(sound, -1, 1).astype(np.float32)


def test_the_word_is_found_with_its_margin() -> None:
    found = find_word("a.wav", recording())
    assert found.seconds == pytest.approx(0.6, abs=0.06)
    assert found.start / RATE == pytest.approx(0.5, abs=0.03)
    assert len(found.with_margin(0.1)) == pytest.approx(found.length + 0.2 * RATE, abs=2)
    assert complaint(found) is None


def test_a_margin_beyond_the_recording_is_silence() -> None:
    found = find_word("a.wav", recording(before=0.0, after=0.0))
    padded = found.with_margin(0.1)
    assert len(padded) == found.length + 3200
    assert not padded[:1600].any()


def test_a_phrase_with_a_pause_is_one_word() -> None:
    phrase = np.concatenate((recording(0.35, after=0.12), recording(0.35, before=0.12)))
    assert find_word("a.wav", phrase).seconds == pytest.approx(0.94, abs=0.08)


@pytest.mark.parametrize(
    ("sound", "problem"),
    [
        (np.zeros(0, np.float32), "silence; no word is heard"),
        (np.zeros(RATE, np.float32), "silence; no word is heard"),
        (recording(level=1e-4), "silence; no word is heard"),
        (recording(0.02), r"only 0\.\d+ s of sound; that is no word"),
        (recording(2.0), r"the word lasts 2\.\d+ s, and kws hears 1 s at a time: words up to 1\.4 s can be learned"),
        (recording(31.0), "lasts 32 s; a recording holds one word, and lasts 30 s at most"),
    ],
)
def test_what_cannot_be_learned(sound: Float32Array, problem: str) -> None:
    with pytest.raises(UsageError, match=rf"^a\.wav: {problem}"):
        find_word("a.wav", sound)


@pytest.mark.parametrize(
    ("sound", "problem"),
    [
        (recording(level=1.5e-3), r"too quiet \(-\d+ dB re full scale\); speak louder or nearer"),
        (recording(level=3.0), "clipped; speak more softly"),
        (recording(before=0.0), "cut off at its beginning; leave a moment of quiet around the word"),
        (recording(after=0.0), "cut off at its end"),
        (
            recording() + recording(3.0, level=0.08, before=0.0)[: len(recording())],
            "too noisy: the word hardly stands out",
        ),
    ],
)
def test_what_should_be_recorded_again(sound: Float32Array, problem: str) -> None:
    found = complaint(find_word("a.wav", sound))
    assert found is not None
    assert found.startswith(problem.partition(r" \(")[0].replace("\\", ""))
