"""A whole stretch at once, to be decided again and again: what an evaluation sweeps its thresholds over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kws.audio.noise_floor import Floor
from kws.decision.context import speech_before
from kws.decision.decider import Decider
from kws.decision.settings import DecisionSettings
from kws.decision.smoothing import smooth
from kws.decision.spotter import Grid
from kws.decision.values import Decision
from kws.types import UNKNOWN, Float32Array, Float64Array


class Stretch:
    """The posteriors of an uninterrupted stretch of sound.

    Attributes:
        labels: what each posterior is of.
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

    def decide(self, settings: DecisionSettings) -> list[Decision]:
        """What :meth:`Decider.step` says of each window and :meth:`Decider.reset` at the end, where it says something.

        Windows in which nothing can happen, nearly all of them, cost nothing but the smoothing.
        """
        decider = Decider(self.labels, settings, sample_rate=self.sample_rate, window=self.window)
        decisions: list[Decision] = []
        done = 0
        for begin in self._humps(settings):
            if begin < done:
                continue
            self._skip(decider, done, begin)
            done = begin
            while done < len(self.posteriors):
                level = None if self.levels is None else self.levels[done]
                silent = self.levels is not None and self._silent(decider.hop)[done]
                end = self.first_end + done * decider.hop
                decisions.append(decider.step(self.posteriors[done], end, level, silent=silent))
                done += 1
                if decider.idle:
                    break
        decisions.append(decider.reset())
        return [decision for decision in decisions if decision]

    def _skip(self, decider: Decider, begin: int, end: int) -> None:
        if begin < end:
            levels = () if self.levels is None else self.levels[begin:end]
            silent = self._silent(decider.hop)[begin:end]
            decider.skip(self.posteriors[begin:end], self.first_end + (end - 1) * decider.hop, levels, silent)

    def _humps(self, settings: DecisionSettings) -> list[int]:
        """The windows, in order, in which some keyword's average is at or above its release threshold."""
        high = np.zeros(len(self.posteriors), np.bool_)
        for keyword, chosen in settings.keywords.items():
            high |= self.averages(settings.windows(keyword))[:, self.labels.index(keyword)] >= chosen.release
        return [int(window) for window in np.flatnonzero(high)]
