"""Learning a word, on sounds that are no words: the bank and the network are those that ship.

What holds for any bank is shown with an eighth of it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kws.audio.recordings import read_audio
from kws.audio.resample import RATE
from kws.audio.word_extent import WordClip
from kws.enroll.bank import read_bank
from kws.enroll.learn import WordLearner
from kws.enroll.recordings import find_word
from kws.enroll.word_file import WordFile
from kws.errors import UsageError
from kws.inference.model import Model
from tests.support import ROOT

DEMO = ROOT / "kws" / "data" / "demo.flac"


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(ROOT / "models" / "commands-small")


@pytest.fixture(scope="module")
def small(model: Model) -> WordLearner:
    bank = read_bank(model)
    part = slice(len(bank.speech) // 8)
    speech = {name: getattr(bank, name)[part] for name in ("speech", "unknown", "levels", "fresh")}
    return WordLearner(model, replace(bank, words=bank.words[::8], labels=bank.labels[::8], **speech))


def chirp(first: float, last: float, seed: int = 0) -> WordClip:
    """A tone that slides, with overtones, in faint noise: always a little different."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(round(0.6 * RATE)) / RATE
    scale = rng.uniform(0.95, 1.05)
    phase = 2 * np.pi * scale * (first * seconds + (last - first) * seconds**2 / 1.2)
    tone = sum(np.sin(n * phase) / n for n in range(1, 5)) * np.hanning(len(seconds)) * 0.1
    sound = rng.normal(0, 1e-4, 2 * RATE)
    sound[8000 : 8000 + len(tone)] += tone
    return find_word(f"{seed}", sound.astype(np.float32))


RISING = [chirp(200, 900, seed) for seed in range(5)]


@pytest.fixture(scope="module")
def rising(small: WordLearner) -> WordFile:
    return small.learn("rising", RISING)


def test_what_is_always_the_same_is_learned_and_calm(model: Model) -> None:
    report = WordLearner(model, read_bank(model)).learn("rising", RISING).report
    assert (report["recordings"], report["heard"], report["unlike"]) == (5, 5, [])
    assert report["false_accepts_an_hour"] <= 1
    assert report["seconds"] == pytest.approx(0.5, abs=0.12)


def test_it_is_learned_the_same_each_time(small: WordLearner, rising: WordFile) -> None:
    assert small.learn("rising", RISING) == rising


def test_more_recordings_give_what_all_at_once_give(small: WordLearner, rising: WordFile) -> None:
    before = small.learn("rising", RISING[:3])
    assert small.learn("rising", RISING[3:], before=before) == rising


def test_one_that_is_unlike_the_others_is_named(small: WordLearner) -> None:
    start, end, _ = DEMO.with_suffix(".tsv").read_text().splitlines()[1].split("\t")
    sound = read_audio(DEMO)[round((float(start) - 0.3) * RATE) : round((float(end) + 0.3) * RATE)]
    recordings = [*RISING[:4], find_word("demo", sound)]
    assert small.unlike(recordings) == [4]
    assert small.learn("rising", recordings).report["unlike"] == [4]


def test_what_was_heard_wrongly_is_heard_less(model: Model, small: WordLearner, rising: WordFile) -> None:
    falling = [chirp(850, 250, seed) for seed in range(3)]

    def apart(word: WordFile) -> float:
        """Return how far a rising tone is above a falling one, whatever the scale of the score."""
        right, wrong = (
            model.embed(model.front_end.spectrogram(each.sound[:RATE]))[1] for each in (RISING[0], falling[0])
        )
        return float((right - wrong) @ word.weight_vector / np.linalg.norm(word.weight_vector))

    warned = small.learn("rising", RISING, negatives=[each.sound for each in falling])
    assert apart(warned) > apart(rising)


def test_too_few_recordings(small: WordLearner) -> None:
    with pytest.raises(UsageError, match=r"^2 recordings of 'rising': at least 3 are needed, and 5 are better$"):
        small.learn("rising", RISING[:2])
