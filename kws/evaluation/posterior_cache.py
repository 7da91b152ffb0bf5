"""The posteriors of one stream, kept so that decisions can be tried on them again and again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kws.audio.noise_floor import NoiseFloor
from kws.decision import Decider, Decision, DecisionSettings
from kws.decision.context import Context
from kws.decision.keyword import Grid
from kws.decision.smoothing import ONE, to_counts
from kws.types import UNKNOWN, Float32Array, Float64Array


class PosteriorCache:
    """The network's output for each window of one uninterrupted stream.

    Attributes:
        labels: of each posterior.
        posteriors: float32 ``(windows, labels)``.
        first_end: the position at the end of the first window, in samples.
        levels: of each window's newest hop, in decibels; None if no keyword asks for the sound around it.
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
        self._averages: dict[int, Float64Array] = {}
        self._silent: dict[int, list[bool]] = {}
        self._speech: dict[tuple[int, float], Float64Array] = {}

    def grid(self, settings: DecisionSettings) -> Grid:
        """Return the grid of the windows."""
        return Grid(self.sample_rate, round(settings.hop * self.sample_rate), self.window)

    def decide(self, settings: DecisionSettings) -> list[Decision]:
        """Return the decisions of :class:`Decider` on each window and at the end, without the empty ones."""
        decider = Decider(self.labels, settings, sample_rate=self.sample_rate, window=self.window)
        levels: Sequence[float | None] = [None] * len(self.posteriors) if self.levels is None else self.levels
        silent = self.silent(settings) or [False] * len(self.posteriors)
        decisions = [
            decider.step(row, self.first_end + place * decider.hop, level, silent=quiet)
            for place, (row, level, quiet) in enumerate(zip(self.posteriors, levels, silent, strict=True))
        ]
        return [decision for decision in (*decisions, decider.reset()) if decision]

    def averages(self, windows: int) -> Float64Array:
        """Return the averages over so many windows, float64 ``(windows, labels)``: computed once."""
        if windows not in self._averages:
            self._averages[windows] = smooth(self.posteriors, windows)
        return self._averages[windows]

    def reduced(self, keyword: str, settings: DecisionSettings) -> Float64Array:
        """Return a keyword's average at each window, float64 ``(windows,)``, less what speech before it takes away.

        Raises:
            ValueError: speech reduces it, and the levels are missing.
        """
        averages = self.averages(settings.windows(keyword))[:, self.labels.index(keyword)]
        weight = settings.keywords[keyword].speech_before
        return averages * (1.0 - weight * self.speech(keyword, settings)) if weight else averages

    def speech(self, keyword: str, settings: DecisionSettings) -> Float64Array:
        """Return :meth:`Context.speech` at each window, float64 ``(windows,)``: computed once for each margin.

        Raises:
            ValueError: the levels are missing.
        """
        grid, margin = self.grid(settings), settings.keywords[keyword].speech_margin
        if (grid.hop, margin) not in self._speech:
            if self.levels is None:
                raise ValueError("a keyword asks what was around it: each window needs its level")
            unknown = self.posteriors[:, self.labels.index(UNKNOWN)].tolist()
            context, speech = Context(grid), []
            for posterior, level, quiet in zip(unknown, self.levels, self.silent(settings), strict=True):
                context.push(posterior, level, silent=quiet)
                speech.append(context.speech(margin))
            self._speech[grid.hop, margin] = np.array(speech, np.float64)
        return self._speech[grid.hop, margin]

    def silent(self, settings: DecisionSettings) -> list[bool]:
        """Return True for each window that held only the noise floor: computed once; empty without levels."""
        hop = self.grid(settings).hop
        if hop not in self._silent:
            floor = NoiseFloor.under(self.window, hop, self.sample_rate)
            self._silent[hop] = [place > 0 and floor.step(level) for place, level in enumerate(self.levels or ())]
        return self._silent[hop]


def smooth(posteriors: Float32Array, windows: int) -> Float64Array:
    """Return all averages of a stream: row by row those of :class:`kws.decision.smoothing.RunningMean`, bit for bit.

    Args:
        posteriors: float32 ``(n, labels)``.
        windows: averaged, at least one.

    Returns:
        float64 ``(n, labels)``; zero in the first ``windows - 1`` rows, where there is no average yet.
    """
    sums = np.cumsum(to_counts(posteriors), axis=0)
    sums[windows:] -= sums[:-windows].copy()
    averages = sums / (windows * ONE)
    averages[: windows - 1] = 0.0
    return averages
