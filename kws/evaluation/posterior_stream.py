"""The posteriors of one stream, to be decided again with other settings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kws.audio.noise_floor import Floor
from kws.decision import Decider, Decision, DecisionSettings
from kws.decision.context import Context
from kws.decision.keyword import Grid
from kws.decision.smoothing import ONE, to_counts
from kws.types import UNKNOWN, Float32Array, Float64Array


class PosteriorStream:
    """The posteriors of a stream without gaps.

    Attributes:
        labels: of each posterior.
        posteriors: float32 ``(windows, labels)``.
        first_end: the position at the end of the first window.
        levels: of each window's newest hop, in decibels; needed for settings that weigh what was around a word.
        sample_rate: of all positions, in hertz.
        window: samples of one window.
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
        self._silent: dict[int, list[bool]] = {}

    def averages(self, windows: int) -> Float64Array:
        """Return the averages over so many windows, float64 ``(windows, labels)``; computed once."""
        if windows not in self._smooth:
            self._smooth[windows] = smooth(self.posteriors, windows)
        return self._smooth[windows]

    def scores(self, keyword: str, settings: DecisionSettings) -> Float64Array:
        """Return a keyword's score at each window, float64 ``(windows,)``: its average, less what speech takes away.

        Raises:
            ValueError: the settings need the levels, and there are none.
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
        silent = self._find_silence(decider.hop) or [False] * len(self.posteriors)
        decisions = [
            decider.step(row, self.first_end + place * decider.hop, level, silent=quiet)
            for place, (row, level, quiet) in enumerate(zip(self.posteriors, levels, silent, strict=True))
        ]
        return [decision for decision in (*decisions, decider.reset()) if decision]

    def _speech_before(self, hop: int) -> Float64Array:
        if hop not in self._speech:
            if self.levels is None:
                raise ValueError("a keyword asks what was around it: each window needs its level")
            unknown = self.posteriors[:, self.labels.index(UNKNOWN)]
            grid = Grid(self.sample_rate, hop, self.window)
            self._speech[hop] = speech_before(unknown, self._find_silence(hop), grid)
        return self._speech[hop]

    def _find_silence(self, hop: int) -> list[bool]:
        """Return whether each window held nothing but the noise floor; empty without levels."""
        if hop not in self._silent:
            floor = Floor.under(self.window, hop, self.sample_rate)
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


def speech_before(unknown: Float32Array, silent: Sequence[bool], grid: Grid) -> Float64Array:
    """Return :attr:`kws.decision.context.Context.speech` at each window of a stream.

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
