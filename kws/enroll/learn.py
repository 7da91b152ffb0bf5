"""Enrolment: from recordings of a word to a word file, with an honest report."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kws.audio.resample import RATE
from kws.audio.word_extent import WordClip
from kws.decision import DecisionSettings, Options, read_options, recommended, resolve
from kws.decision.score_scale import PLAIN
from kws.enroll.bank import Bank, false_accepts, restored
from kws.enroll.classifier import learn
from kws.enroll.copies import copies, noisy, passing
from kws.enroll.word_file import WordFile
from kws.errors import UsageError
from kws.inference.model import Description, Model
from kws.types import SILENCE, UNKNOWN, Float32Array, Float64Array

Features = npt.NDArray[np.int8]
Logits = npt.NDArray[np.floating[Any]]

#: False accepts an hour that a word may cost.
BUDGET = 1.0
_THRESHOLD = 0.5
#: The fewest recordings, synthetic voices included.
FEWEST = 3
#: If none of so many recordings fires by what the others teach, they teach nothing.
_ENOUGH = 5
_COPIES, _PASSING = 24, 6
#: Recordings that would be the word if as few other words as this share were more like the other recordings.
_ALIKE, _UNLIKE = 0.1, 0.25
#: The score that half of the copies reach, as a logit: 0.92.
_CLEAR = 2.5
_STEEPEST, _FLATTEST = 6.0, 0.5
_SIMILAR = 0.15
_FEWEST_EXAMPLES = 8
_NEGATIVES_SHARE, _WORDS_SHARE = 0.1, 0.3
#: Groups of recordings that are left out in turn; of easy speech, one window in so many.
_GROUPS, _EASY = 5, 8


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """A classifier in the units of a word's score: logit 0 is where the word fires.

    Attributes:
        weights: float64 ``(features,)``.
        bias: of the logit.
    """

    weights: Float64Array
    bias: float

    def logits(self, features: Features) -> Float32Array:
        """Return logits ``(...)`` of features ``(..., features)``."""
        return restored(features) @ self.weights.astype(np.float32) + np.float32(self.bias)

    def hears(self, passing_by: Features) -> npt.NDArray[np.bool_]:
        """Return which words fire as they pass through the window, given features ``(..., windows, features)``."""
        scores = 1 / (1 + np.exp(-np.clip(self.logits(passing_by), -30, 30)))
        return np.asarray(scores.mean(axis=-1) >= _THRESHOLD)


class WordLearner:
    """Learns words for one model.

    Args:
        model: with an embedding.
        bank: of this model.
    """

    def __init__(self, model: Model, bank: Bank) -> None:
        self._model, self._bank = model, bank

    def _features(self, recording: WordClip) -> Features:
        """Return the features of a recording's copies, then of the word as it passes by in quiet and in noise."""
        window, seed = self._model.front_end.window, zlib.crc32(recording.word.tobytes())
        return self._embed(
            [
                *copies(recording, _COPIES, window, seed),
                *passing(recording, _PASSING, window),
                *passing(noisy(recording, seed), _PASSING, window),
            ]
        )

    def _negative_features(self, sound: Float32Array) -> Features:
        """Return the features of the windows of a recording in which the word was heard wrongly."""
        window, hop = self._model.front_end.window, self._bank.hop // 2
        padded = np.pad(sound, (0, max(0, window - len(sound))))
        return self._embed([padded[start : start + window] for start in range(0, len(padded) - window + 1, hop)])

    def _embed(self, windows: Sequence[Float32Array]) -> Features:
        front_end = self._model.front_end
        return self._bank.features(np.array([self._model.embed(front_end.spectrogram(each))[1] for each in windows]))

    def unlike(self, recordings: Sequence[WordClip]) -> list[int]:
        """Return the places of recordings that are unlike the others."""
        examples = np.array([self._features(each) for each in recordings])
        return [int(place) for place in np.flatnonzero(self._unlike(examples) > _UNLIKE)]

    def _unlike(self, examples: Features) -> Float64Array:
        """Return for each recording the share of other words that are more like the other recordings than it is.

        Args:
            examples: int8 ``(recordings, windows, features)``.
        """
        means = restored(examples[:, : _COPIES + _PASSING]).mean(axis=1)
        others = restored(self._bank.words[self._bank.labels != ""])
        shares = []
        for place, mean in enumerate(means):
            rest = np.delete(means, place, axis=0).mean(axis=0)
            shares.append(float(np.mean(_cosine(others, rest) > _cosine(mean, rest))))
        return np.array(shares)

    def learn(
        self,
        word: str,
        recordings: Sequence[WordClip],
        *,
        negatives: Sequence[Float32Array] = (),
        before: WordFile | None = None,
    ) -> WordFile:
        """Learn a word.

        Args:
            word: its name.
            recordings: of the word.
            negatives: recordings, float32 ``(n,)`` at 16 kHz, in which it was heard wrongly.
            before: what was learned of the word before; None for a new word.

        Raises:
            UsageError: there are too few recordings, or they are of different words, or none would fire; or what was
                learned before does not fit the bank.
        """
        size = self._bank.axes.shape[1]
        windows = _COPIES + 2 * _PASSING
        try:
            earlier = np.frombuffer(before.examples if before else b"", np.int8).reshape(-1, windows, size)
            wrong = np.frombuffer(before.negatives if before else b"", np.int8).reshape(-1, size)
        except ValueError:
            raise UsageError(
                f"the word file of {word!r} does not fit the model's bank; enroll the word again"
            ) from None
        examples = np.concatenate((earlier, *(self._features(each)[np.newaxis] for each in recordings)))
        rejected = np.concatenate((wrong, *(self._negative_features(each) for each in negatives)))
        lengths = (*(before.lengths if before else ()), *(round(each.seconds, 3) for each in recordings))
        return self._learn(word, examples, rejected, lengths)

    def _learn(self, word: str, examples: Features, negatives: Features, lengths: Sequence[float]) -> WordFile:
        count = len(examples)
        if count < FEWEST:
            plural = "" if count == 1 else "s"
            raise UsageError(f"{count} recording{plural} of {word!r}: at least {FEWEST} are needed, and 5 are better")
        unlike = self._unlike(examples)
        if np.sum(unlike <= _ALIKE) < (count + 1) // 2:
            raise UsageError(
                f"the recordings are not of one word: {np.sum(unlike > _ALIKE)} of {count} are unlike the others"
            )
        settings = bank_settings(self._model.description, word, self._bank.hop / RATE)
        speech = self._bank.speech
        fold = np.cumsum(self._bank.fresh) % 2
        folds = [self._train(examples, negatives, speech[fold == one]) for one in (0, 1)]
        # Each half of the speech is judged by what learned from the other half.
        raw = np.where(fold == 0, folds[1].logits(speech), folds[0].logits(speech))
        words = np.mean([each.logits(self._bank.words) for each in folds], axis=0)
        start = self._threshold(raw, settings)
        final = self._train(examples, negatives, speech)
        clear = float(np.median(final.logits(examples[:, :_COPIES]))) - start
        gain = float(np.clip(_CLEAR / max(clear, 1e-3), _FLATTEST, _STEEPEST))
        start = self._threshold(gain * raw, settings) / gain
        scorer = _scaled(final, gain, start)
        accepts = self._false_accepts(gain * (raw - start), settings)
        above = float(np.mean(raw >= start))
        groups = np.arange(count) % min(count, _GROUPS)
        left_out = [groups == one for one in np.unique(groups)]
        heard = np.sum([self._heard_without(one, examples, negatives, above, gain) for one in left_out], axis=0)
        if not heard[0] and count >= _ENOUGH:
            raise UsageError(
                f"the recordings are not of one word, or too different: none of {count} would fire after learning "
                "from the others"
            )
        similar = self._similar(words - start)
        report = {
            "recordings": count,
            "heard": int(heard[0]),
            "heard_in_noise": int(heard[1]),
            "unlike": [int(place) for place in np.flatnonzero(unlike > _UNLIKE)],
            "false_accepts_an_hour": round(accepts / self._bank.hours, 2),
            "hours": round(self._bank.hours, 2),
            "other_words": round(float(np.mean(words[self._bank.labels != ""] >= start)), 4),
            "similar": similar,
            "seconds": round(float(np.median(lengths)), 2),
        }
        weights = (self._bank.axes @ scorer.weights.astype(np.float32)).astype("<f4")
        return WordFile(
            word=word,
            model=self._model.name,
            sha256=self._model.description.sha256[self._model.path.name],
            weights=weights.tobytes(),
            bias=float(scorer.bias - weights @ self._bank.centre),
            settings=_own_settings(float(np.median(lengths))),
            examples=examples.tobytes(),
            negatives=negatives.tobytes(),
            lengths=tuple(lengths),
            report=report,
        )

    def _train(self, examples: Features, negatives: Features, speech: Features) -> Scorer:
        """Learn from all examples; of the speech that is far from the word, from one window in so many."""
        positives = restored(examples[:, : _COPIES + _PASSING].reshape(-1, examples.shape[-1]))
        others = [(part, share / len(part)) for part, share in self._others(negatives) if len(part)]
        scorer, hard = None, np.zeros(len(speech), np.bool_)
        for _ in range(2):
            easy = speech[~hard][::_EASY]
            parts = [(speech[hard], 1 / len(speech)), (easy, (1 - hard.mean()) / len(easy)), *others]
            scorer = Scorer(*learn(positives, [restored(part) for part, _ in parts], [share for _, share in parts]))
            logits = scorer.logits(speech)
            hard = logits >= np.quantile(logits, 1 - 1 / _EASY)
        assert scorer
        return scorer

    def _others(self, negatives: Features) -> tuple[tuple[Features, float], ...]:
        return (self._bank.words, _WORDS_SHARE), (negatives, _NEGATIVES_SHARE)

    def _heard_without(
        self, group: npt.NDArray[np.bool_], examples: Features, negatives: Features, above: float, gain: float
    ) -> npt.NDArray[np.int64]:
        """Return how many of these recordings fire, in quiet and in noise, if the word is learned from the others.

        Args:
            group: bool ``(recordings,)``.
            examples: of all recordings.
            negatives: what must not fire.
            above: the share of speech that may be at or above logit 0.
            gain: of the logits.
        """
        scorer = self._train(examples[~group], negatives, self._bank.speech)
        start = float(np.quantile(scorer.logits(self._bank.speech), 1 - above))
        passes = np.split(examples[group][:, _COPIES:], 2, axis=1)
        return np.array([np.sum(_scaled(scorer, gain, start).hears(each)) for each in passes])

    def _threshold(self, logits: Logits, settings: DecisionSettings) -> float:
        """Return the logit from which a word may count so that the speech of the bank stays within the budget."""
        low, high = float(np.quantile(logits, 0.98)), float(logits.max()) + 1.0
        for _ in range(12):
            middle = (low + high) / 2
            if self._false_accepts(logits - middle, settings) <= BUDGET * self._bank.hours:
                high = middle
            else:
                low = middle
        return high

    def _false_accepts(self, logits: Logits, settings: DecisionSettings) -> int:
        """Return how often a word with these logits fires in the speech of the bank."""
        bank = self._bank
        (word,) = settings.keywords
        scores = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
        rows = np.stack([np.zeros(len(scores)), bank.unknown / 255.0, scores], axis=1).astype(np.float32)
        return false_accepts(bank, rows, (SILENCE, UNKNOWN, word), settings)

    def _similar(self, logits: Float32Array) -> dict[str, float]:
        """Return the words of the bank that are often heard as the word, with the share of each."""
        labels = self._bank.labels
        shares = {}
        for label in np.unique(labels[labels != ""]):
            own = logits[labels == label]
            if len(own) >= _FEWEST_EXAMPLES and (share := float(np.mean(own >= 0))) >= _SIMILAR:
                shares[str(label)] = round(share, 2)
        return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _own_settings(seconds: float) -> dict[str, Any]:
    """Return a word's decision settings as its file has them; the others are those that the model recommends."""
    length = round(float(np.clip(seconds, 0.1, 1.0)), 2)
    return {"threshold": _THRESHOLD, "length": length, "score_scale": [PLAIN.half, PLAIN.clear]}


def bank_settings(description: Description, word: str, hop: float) -> DecisionSettings:
    """Return the decision settings of a word alone, as the model recommends, for windows of the bank."""
    model = recommended(description).decision
    own = read_options({"keyword": {word: _own_settings(0.5)}}).keyword
    layers = {"": Options(decision=msgspec.structs.replace(model, hop=hop, keywords=None), keyword=own)}
    return resolve((SILENCE, UNKNOWN, word), layers, (word,))


def _scaled(scorer: Scorer, gain: float, start: float) -> Scorer:
    return Scorer(scorer.weights * gain, float((scorer.bias - start) * gain))


def _cosine(vectors: Float32Array, other: Float32Array) -> Float32Array:
    cosines: Float32Array = vectors @ other / (np.linalg.norm(vectors, axis=-1) * np.linalg.norm(other) + 1e-9)
    return cosines
