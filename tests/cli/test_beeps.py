"""The beeps of machines operate nothing: the model that ships by default hears no keyword in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws.types import Float32Array
from tests.support.program import kws, lines

RATE = 16000
PAUSE = np.zeros(2 * RATE, np.float32)


def beep(hertz: float, seconds: float, amplitude: float) -> Float32Array:
    time = np.arange(round(seconds * RATE)) / RATE
    fade = np.minimum(1.0, np.minimum(time, time[::-1]) / 0.005)
    sound: Float32Array = (amplitude * fade * np.sin(2 * np.pi * hertz * time)).astype(np.float32)
    return sound


@pytest.mark.parametrize("amplitude", [0.03, 0.3])
def test_nothing_is_heard_in_beeps(tmp_path: Path, amplitude: float) -> None:
    beeps = [
        part
        for hertz in (330, 440, 600, 880, 1000, 2000, 3000)
        for seconds in (0.15, 0.3, 0.6, 1.5)
        for part in (PAUSE, beep(hertz, seconds, amplitude))
    ]
    sound = np.concatenate([*beeps, PAUSE])
    sound += np.random.default_rng(0).standard_normal(len(sound)).astype(np.float32) * np.float32(3e-4)
    soundfile.write(tmp_path / "beeps.wav", sound, RATE)
    assert lines(kws("listen", tmp_path / "beeps.wav")) == []
