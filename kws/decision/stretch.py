"""A whole stretch at once, to be decided again and again: what an evaluation sweeps its thresholds over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kws.audio.noise_floor import Floor
from kws.decision.context import Context
from kws.decision.decider import Decider
from kws.decision.keyword import Grid
from kws.decision.settings import DecisionSettings
from kws.decision.smoothing import smooth
from kws.decision.values import Decision
from kws.types import UNKNOWN, Float32Array, Float64Array


class Stretch:
    """The posteriors of an uninterrupted stretch of sound.

    Attributes:
        labels: of each posterior.
        posteriors: float32 ``(windows, labels)``.
        first_end: the position at the end of the first window.
        levels: of each window's newest hop in decibels, where a keyword asks what was around it.
        sample_rate: hertz, of all positions.
        window: samples under one window.
    """

    def __init__(
        self,
        labels: Sequence[str],
        posteriors: Float32Array,
        *,
        first_end: int = 16000,
        levels: Sequence[float] | None = None,
        sample_rate: int = 16000,
        window: int = 16000,
    ) -> None:
        self.labels = tuple(labels)
        self.posteriors = posteriors
        self.first_end = first_end
        self.levels = levels
        self.sample_rate = sample_rate
        self.window = window
        self._smooth: dict[int, Float64Array] = {}
        self._speech: dict[int, Float64Array] = {}
        self._floors: dict[int, list[bool]] = {}

    def averages(self, windows: int) -> Float64Array:
        """The averages over so many windows, float64 ``(windows, labels)``: computed once."""
        if windows not in self._smooth:
            self._smooth[windows] = smooth(self.posteriors, windows)
        return self._smooth[windows]

    def scores(self, keyword: str, settings: DecisionSettings) -> Float64Array:
        """A keyword's score at each window, float64 ``(windows,)``: its average, less what speech takes away.

        Raises:
            ValueError: it asks what was around it, and the levels are missing.
        """
        averages = self.averages(settings.windows(keyword))[:, self.labels.index(keyword)]
        weight = settings.keywords[keyword].speech_before
        if not weight:
            return averages
        return averages * (1.0 - weight * self._speech_before(round(settings.hop * self.sample_rate)))

    def decide(self, settings: DecisionSettings) -> list[Decision]:
        """Return the decisions of :meth:`Decider.step` on each window and of :meth:`Decider.reset` at the end."""
        decider = Decider(self.labels, settings, sample_rate=self.sample_rate, window=self.window)
        levels: Sequence[float | None] = [None] * len(self.posteriors) if self.levels is None else self.levels
        silent = self._silent(decider.hop) or [False] * len(self.posteriors)
        decisions = [
            decider.step(row, self.first_end + place * decider.hop, level, silent=quiet)
            for place, (row, level, quiet) in enumerate(zip(self.posteriors, levels, silent, strict=True))
        ]
        return [decision for decision in (*decisions, decider.reset()) if decision]

    def _speech_before(self, hop: int) -> Float64Array:
        """How much of what came before each window was speech: computed once."""
        if hop not in self._speech:
            if self.levels is None:
                raise ValueError("a keyword asks what was around it: each window needs its level")
            unknown = self.posteriors[:, self.labels.index(UNKNOWN)]
            self._speech[hop] = speech_before(unknown, self._silent(hop), Grid(self.sample_rate, hop, self.window))
        return self._speech[hop]

    def _silent(self, hop: int) -> list[bool]:
        """Whether each window held nothing but the noise floor: computed once; empty without levels."""
        if hop not in self._floors:
            floor = Floor.under(self.window, hop, self.sample_rate)
            self._floors[hop] = [place > 0 and floor.step(level) for place, level in enumerate(self.levels or ())]
        return self._floors[hop]


def speech_before(unknown: Float32Array, silent: Sequence[bool], grid: Grid) -> Float64Array:
    """Return :attr:`Context.speech` at each window of a whole stretch.

    Args:
        unknown: float32 ``(n,)``, the posteriors of unknown words.
        silent: whether each window held nothing but the noise floor.
        grid: of the windows.

    Returns:
        float64 ``(n,)``.
    """
    context, speech = Context(grid), []
    for posterior, quiet in zip(unknown.tolist(), silent, strict=True):
        context.push(posterior, silent=quiet)
        speech.append(context.speech)
    return np.array(speech, np.float64)
