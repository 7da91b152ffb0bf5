from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from kws.enroll.session import record
from kws.errors import AudioError, KwsError
from kws.types import AudioBlock, Float32Array
from tests.enroll.test_recordings import RATE, recording


class Prompts:
    """Keeps what the speaker was told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def ask(self, number: int, count: int) -> None:
        self.said.append(f"{number} of {count}")

    def level(self, db: float) -> None:
        assert -121 < db <= 10

    def reject(self, problem: str) -> None:
        self.said.append(problem)


def microphone(*takes: Float32Array) -> Iterator[AudioBlock]:
    sound = np.concatenate(takes)
    for start in range(0, len(sound), 1600):
        yield AudioBlock(sound[start : start + 1600], start)


def quiet(seconds: float) -> Float32Array:
    return np.full(round(seconds * RATE), 1e-4, np.float32)


GOOD = np.concatenate((recording(), quiet(1.0)))


def test_each_recording_holds_its_word_and_a_moment_of_quiet() -> None:
    prompts = Prompts()
    made = record(microphone(*[GOOD] * 3), 3, prompts)
    assert prompts.said == ["1 of 3", "2 of 3", "3 of 3"]
    for each in made:
        assert each.seconds == pytest.approx(0.6, abs=0.06)
        assert 0.3 < each.start / RATE < 0.8
        assert len(each.sound) < 2.5 * RATE


def test_what_is_no_good_is_recorded_again() -> None:
    faint = np.concatenate((recording(level=1.5e-3), quiet(1.0)))
    loud = np.concatenate((recording(level=3.0), quiet(1.0)))
    prompts = Prompts()
    assert len(record(microphone(faint, GOOD, loud, GOOD), 2, prompts)) == 2
    assert [said.split(" (")[0].split(";")[0] for said in prompts.said] == [
        "1 of 2", "too quiet", "1 of 2", "2 of 2", "clipped", "2 of 2",
    ]  # fmt: skip


def test_without_a_word_the_recording_ends() -> None:
    prompts = Prompts()
    assert len(record(microphone(quiet(8.0), GOOD), 1, prompts)) == 1
    assert prompts.said == ["1 of 1", "silence; no word is heard", "1 of 1"]


def test_a_muted_microphone_is_named_as_such() -> None:
    prompts = Prompts()
    assert len(record(microphone(0 * quiet(8.0), GOOD), 1, prompts)) == 1
    assert prompts.said == ["1 of 1", "the microphone delivers nothing but zeros; is it muted?", "1 of 1"]


def test_one_that_is_unlike_the_others_is_recorded_again_once() -> None:
    prompts = Prompts()
    made = record(microphone(*[GOOD] * 4), 3, prompts, lambda _: [1])
    assert len(made) == 3
    assert prompts.said == ["1 of 3", "2 of 3", "3 of 3", "recording 2 is unlike the others", "3 of 3"]


def test_it_ends_when_too_much_is_no_good() -> None:
    with pytest.raises(KwsError, match=r"^only 0 of 1 recordings are good; nothing was learned$"):
        record(microphone(quiet(30.0)), 1, Prompts())
    with pytest.raises(AudioError, match=r"^the microphone ended before the word$"):
        record(microphone(GOOD), 2, Prompts())
