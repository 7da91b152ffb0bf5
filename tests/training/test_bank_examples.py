"""Examples from a bank: real features, of other words only, and hard ones more often."""

from __future__ import annotations

import numpy as np
import pytest

from kws.enroll.bank import Bank, quantised
from kws.training.bank_examples import BankExamples
from kws.training.recipe import SILENCE_LABEL, UNKNOWN_LABEL
from kws.training.thresholds import BUDGET, choose_threshold, with_threshold
from kws.types import SILENCE, UNKNOWN

EMBEDDING, FEATURES, WINDOWS = 12, 4, 30
LABELS = (SILENCE, UNKNOWN, "lamp")


@pytest.fixture
def bank() -> Bank:
    rng = np.random.default_rng(0)
    words, recordings = ["lamp"] * 5 + ["dog"] * 5 + [""] * 5, 60
    speech = recordings * WINDOWS
    return Bank(
        sha256="",
        centre=rng.normal(size=EMBEDDING).astype(np.float32),
        axes=rng.normal(size=(EMBEDDING, FEATURES)).astype(np.float32),
        words=quantised(rng.normal(size=(len(words), FEATURES))),
        labels=np.array(words),
        speech=quantised(rng.normal(size=(speech, FEATURES))),
        unknown=np.full(speech, 255, np.uint8),
        levels=np.full(speech, -20, np.int8),
        fresh=np.arange(speech) % WINDOWS == 0,
        hop=3840,
    )


@pytest.fixture
def examples(bank: Bank) -> BankExamples:
    embeddings = np.random.default_rng(1).normal(size=(50, EMBEDDING)).astype(np.float32)
    return BankExamples(bank, ["Lamp"], embeddings, seed=0)


def rows(features: np.ndarray) -> set[tuple[int, ...]]:
    return set(map(tuple, features.tolist()))


def test_features_are_those_of_the_bank_without_keywords_and_held_out_speech(
    bank: Bank, examples: BankExamples
) -> None:
    embeddings, labels, _ = examples.draw(4000)
    found = bank.features(embeddings)
    assert rows(found[labels == SILENCE_LABEL]) == rows(bank.words[bank.labels == ""])
    held_out = BankExamples.held_out(bank)
    allowed = rows(bank.words[bank.labels == "dog"]) | rows(bank.speech[~held_out])
    assert rows(found[labels == UNKNOWN_LABEL]) <= allowed
    words = rows(bank.features(examples.words()))
    assert rows(bank.words[bank.labels == "dog"]) <= rows(found) | words
    assert len(words) == 1
    assert not words & rows(found)


def test_the_rest_of_an_embedding_is_that_of_a_window_of_the_user(bank: Bank, examples: BankExamples) -> None:
    own = np.random.default_rng(1).normal(size=(50, EMBEDDING)).astype(np.float32) - bank.centre
    outside = np.eye(EMBEDDING) - bank.axes @ np.linalg.pinv(bank.axes)
    drawn = (examples.draw(20)[0] - bank.centre) @ outside
    distances = np.linalg.norm(drawn[:, np.newaxis] - own @ outside, axis=-1).min(axis=1)
    np.testing.assert_allclose(distances, 0, atol=1e-4)


def test_what_is_taken_for_a_keyword_is_drawn_more_often(examples: BankExamples) -> None:
    _, _, places = examples.draw(200)
    wrong = np.full(len(places), places[-1])
    examples.report(wrong, np.full(len(wrong), 0.9, np.float32))
    assert np.mean(examples.draw(4000)[2] == places[-1]) > 0.4


def test_the_held_out_speech_is_whole_recordings_in_order(bank: Bank, examples: BankExamples) -> None:
    held_out = BankExamples.held_out(bank)
    assert held_out.reshape(-1, WINDOWS).all(axis=1).sum() == held_out.sum() / WINDOWS == 20
    np.testing.assert_array_equal(bank.features(examples.speech()), bank.speech[held_out])


def test_the_threshold_lets_as_much_speech_fire_as_the_budget_allows(bank: Bank) -> None:
    held_out = BankExamples.held_out(bank)
    posteriors = np.zeros((held_out.sum(), 3), np.float32)
    posteriors[:, 1] = 1.0
    peaks = np.linspace(0.95, 0.5, 19)  # one in each recording but the last
    for recording, peak in enumerate(peaks):
        posteriors[recording * WINDOWS + 10 : recording * WINDOWS + 14, 1:] = (1 - peak, peak)
    allowed = int(BUDGET * held_out.sum() * bank.hop / 16000 / 3600)
    words = np.full((100, 3), 0.3, np.float32)
    average = choose_threshold(bank, posteriors, words, LABELS, {"decision": {"smoothing": 0.36}})
    assert peaks[allowed] <= average <= peaks[allowed] + 0.01
    words[::20, 2] = 0.97  # one word in twenty is more than may be taken for a keyword
    assert choose_threshold(bank, posteriors, words, LABELS, {"decision": {"smoothing": 0.36}}) == pytest.approx(0.97)


def test_the_threshold_becomes_the_score_of_one_half() -> None:
    decision = with_threshold({"decision": {"hop": 0.06, "threshold": 0.8}}, ("lamp",), 0.6)
    assert decision == {"decision": {"hop": 0.06, "threshold": 0.5}, "keyword": {"lamp": {"score_scale": [0.6, 0.8]}}}
