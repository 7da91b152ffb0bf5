"""Hand-made posteriors, so that tests of counting need no model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from kws.decision import DecisionOptions, DecisionSettings, Options, resolve
from kws.evaluation.labels import LabelledWord
from kws.evaluation.posterior_cache import PosteriorCache
from kws.evaluation.scoring import ScoredStream, Utterance
from kws.types import SILENCE, UNKNOWN

KEYWORDS = ("on", "off", "stop")
HOP = 0.05


class Activation(NamedTuple):
    """A keyword's posterior is high: in the windows that end from ``time`` on, for ``seconds``."""

    keyword: str
    time: float
    score: float = 0.95
    seconds: float = 0.2


def settings(keywords: Sequence[str] = KEYWORDS, **options: Any) -> DecisionSettings:
    """Return settings without smoothing: an activation of 0.95 fires at its first window if the threshold allows it."""
    plain: dict[str, Any] = {"threshold": 0.8, "smoothing": HOP, "refractory": 0.3}
    return resolve((SILENCE, UNKNOWN, *keywords), {"test": Options(decision=DecisionOptions(**(plain | options)))})


def heard(
    activations: Iterable[Activation],
    labels: Iterable[LabelledWord] = (),
    *,
    seconds: float = 60.0,
    name: str = "made.wav",
    utterances: Iterable[Utterance] = (),
    keywords: Sequence[str] = KEYWORDS,
) -> ScoredStream:
    """A stream of silence with these activations in it, the first window after a second."""
    names = (SILENCE, UNKNOWN, *keywords)
    posteriors = np.zeros((round(seconds / HOP) + 1, len(names)), np.float32)
    for keyword, time, score, length in activations:
        first = round((time - 1) / HOP)
        posteriors[first : first + round(length / HOP), names.index(keyword)] = score
    posteriors[:, 0] = 1 - posteriors[:, 1:].sum(axis=1)
    return ScoredStream(name, seconds, PosteriorCache(names, posteriors), tuple(sorted(labels)), tuple(utterances))
