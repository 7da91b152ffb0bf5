"""The decision layer, joined: the posteriors of one window in, what fired out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from operator import itemgetter

import numpy as np

from kws.decision.context import Context
from kws.decision.gate import Gate
from kws.decision.isolation import SLACK
from kws.decision.settings import DecisionSettings
from kws.decision.smoothing import RunningMean, to_counts
from kws.decision.spotter import Candidate, Grid, Spotter
from kws.decision.values import NOTHING, Decision, Fired, NearMiss, Reason
from kws.types import SILENCE, UNKNOWN, Float32Array


class Decider:
    """Tells spoken words from posteriors, one window after the other.

    Positions are in samples, and nothing else is time. A stretch of sound begins with the first window after
    construction or :meth:`reset`; nothing that was heard or decided before has any influence on it.

    Attributes:
        settings: what it goes by; :meth:`set_threshold` replaces them.
        hop: samples from one window to the next.
        idle: whether no utterance is under way.
        longest: windows in the longest average.
    """

    def __init__(
        self, labels: Sequence[str], settings: DecisionSettings, *, sample_rate: int = 16000, window: int = 16000
    ) -> None:
        """Prepare for a model.

        Args:
            labels: what each posterior is of.
            settings: for exactly the keywords among the labels.
            sample_rate: hertz, of all positions.
            window: samples under one window.

        Raises:
            ValueError: the settings are for other keywords.
        """
        keywords = [label for label in labels if label not in (SILENCE, UNKNOWN)]
        if set(keywords) != set(settings.keywords):
            raise ValueError(f"settings for {sorted(settings.keywords)}, but the keywords are {sorted(keywords)}")
        grid = Grid(sample_rate, round(settings.hop * sample_rate), window)
        means = {windows: RunningMean(windows, len(labels)) for windows in map(settings.windows, keywords)}
        self.settings = settings
        self.hop = grid.hop
        self.idle = True
        self._gate = Gate(settings.gate, sample_rate) if settings.gate else None
        self._spotters = [
            Spotter(label, column, means[settings.windows(label)], settings.keywords[label], grid)
            for column, label in enumerate(labels)
            if label in keywords
        ]
        # Each mean with the keywords that go by it, as places among all keywords and among the posteriors.
        self._means = [
            (
                mean,
                np.flatnonzero([spotter.mean is mean for spotter in self._spotters]),
                np.array([spotter.column for spotter in self._spotters if spotter.mean is mean]),
            )
            for mean in means.values()
        ]
        self._averages = np.zeros(len(keywords))
        self._set_releases()
        # In most windows no keyword's posterior comes near any release. They are only kept, and averaged when one comes
        # in which one does.
        first, *others = (spotter.column for spotter in self._spotters)
        self._of_keywords = itemgetter(first, first, *others)  # of one column alone, it would be no tuple
        self.longest = max(mean.windows for mean in means.values())
        self._unread: deque[Float32Array] = deque(maxlen=self.longest)
        self._calm = 0  # such windows in a row
        longest_quiet = max((spotter.isolation.longest for spotter in self._spotters), default=0)
        weighs_speech = any(chosen.speech_before for chosen in settings.keywords.values())
        if weighs_speech and UNKNOWN not in labels:
            raise ValueError(f"speech_before: the model has no label {UNKNOWN}")
        self._unknown = list(labels).index(UNKNOWN) if weighs_speech else -1
        self._context = Context(grid) if weighs_speech else None
        self._listens = longest_quiet > 0 or weighs_speech
        self._levels: deque[float] = deque(maxlen=grid.hops(window + grid.samples(SLACK)) + longest_quiet)
        self._candidates: list[Candidate] = []
        self._end: int | None = None

    @property
    def calm(self) -> bool:
        """Whether nothing is under way, and no posterior that the averages know comes near any keyword's release."""
        return self.idle and self._calm >= self.longest

    def step(self, posteriors: Float32Array, end: int, level: float | None = None, *, silent: bool = False) -> Decision:
        """Take the next window.

        Args:
            posteriors: float32 ``(labels,)``; kept, so not to be written to afterwards.
            end: the position just after the window's last sample: a hop after that of the window before.
            level: of the newest hop's sound, in decibels; needed where a keyword asks what was around it.
            silent: whether the window held nothing but the noise floor.

        Returns:
            What fired, and which utterances ended as near misses.

        Raises:
            ValueError: a window was left out without :meth:`reset`, or the level is missing.
        """
        if self._end is not None and end != self._end + self.hop:
            raise ValueError(f"a window ends at {end}, the one before at {self._end}: reset() where sound is missing")
        if self._listens:
            if level is None:
                raise ValueError("a keyword asks what was around it: each window needs its level")
            self._levels.append(level)
            if self._context:
                self._context.push(float(posteriors[self._unknown]), silent=silent)
        self._end = end
        self._unread.append(posteriors)
        self._calm = self._calm + 1 if max(self._of_keywords(posteriors.tolist())) < self._calm_below else 0
        if self.calm:
            return NOTHING
        self._average()
        in_hump = self._averages >= self._releases
        if self.idle and not in_hump.any():
            return NOTHING
        return self._attend(in_hump.tolist(), end)

    def skip(
        self, posteriors: Float32Array, end: int, levels: Sequence[float] = (), silent: Sequence[bool] = ()
    ) -> None:
        """Take windows in a row of which it is known that no keyword's average reaches its release threshold.

        To be called only while :attr:`idle`; it leaves the same state as :meth:`step` for each of them.

        Args:
            posteriors: float32 ``(n, labels)``, of the last of them: at least ``longest - 1``, or all. Those of which
                there are none held nothing but the noise floor.
            end: the position just after the last window's last sample.
            levels: of each window's newest hop, where :meth:`step` needs them.
            silent: whether each window held nothing but the noise floor, likewise.
        """
        self._unread.extend(posteriors[-self.longest :])
        self._calm = 0
        self._levels.extend(levels)
        if self._context:
            unknown = posteriors[:, self._unknown].tolist()
            for posterior, quiet in zip([0.0] * (len(silent) - len(unknown)) + unknown, silent, strict=True):
                self._context.push(posterior, silent=quiet)
        self._end = end

    def reset(self) -> Decision:
        """End the stretch: the next window begins a new one, with every keyword armed and the gate closed.

        Returns:
            The near misses that were under way. A word that still waits for the quiet after it is one of them.
        """
        misses = [candidate.give_up() for candidate in self._candidates]
        misses += [miss for spotter in self._spotters if (miss := spotter.close())]
        for spotter in self._spotters:
            spotter.trigger.reset()
        for mean, _, _ in self._means:
            mean.reset()
        if self._gate:
            self._gate.reset()
        self._unread.clear()
        self._calm = 0
        self._levels.clear()
        if self._context:
            self._context.reset()
        self._candidates.clear()
        self._end = None
        self.idle = True
        return Decision(near_misses=tuple(misses))

    def set_threshold(self, keyword: str, threshold: float) -> None:
        """Change a keyword's threshold between two windows; release and near move in proportion, no state is lost.

        Raises:
            UsageError: there is no such keyword, or the threshold is out of its range.
        """
        self.settings = self.settings.with_threshold(keyword, threshold)
        for spotter in self._spotters:
            spotter.trigger.settings = self.settings.keywords[spotter.keyword]
        self._set_releases()
        self._calm = 0  # it was counted by the threshold before

    def _set_releases(self) -> None:
        self._releases = np.array([spotter.trigger.settings.release for spotter in self._spotters])
        self._calm_below = 0.5 * float(self._releases.min())

    def _average(self) -> None:
        """Bring the averages up to the newest window."""
        for posteriors in self._unread:
            counts = to_counts(posteriors)
            for mean, _, _ in self._means:
                mean.push(counts)
        self._unread.clear()
        for mean, places, columns in self._means:
            self._averages[places] = mean.averages[columns]

    def _attend(self, in_hump: list[bool], end: int) -> Decision:
        """Step the keywords in a hump, close what is over, and settle what fired."""
        levels = tuple(self._levels)
        misses: list[NearMiss] = []
        for spotter, average, high in zip(self._spotters, self._averages.tolist(), in_hump, strict=True):
            if not high:
                misses += filter(None, [spotter.close()])
            elif (score := spotter.step(average, end, self._speech_before(spotter.keyword, end))) is not None:
                self._let_fire(spotter, score, end, levels)
        fired: list[Fired] = []
        for candidate in tuple(self._candidates):
            outcome = candidate.settle(levels, end)
            if outcome is None:
                continue
            self._candidates.remove(candidate)
            if isinstance(outcome, NearMiss):
                misses.append(outcome)
                continue
            fired.append(outcome)
            if self._gate:
                self._gate.fired(outcome.keyword, end)
        self.idle = not self._candidates and not any(in_hump)
        return Decision(tuple(fired), tuple(misses)) if fired or misses else NOTHING

    def _speech_before(self, keyword: str, end: int) -> float:
        """How much speech before it counts against a keyword: none against a command that a wake word announced."""
        if not self._context or (self._gate and self._gate.guards(keyword) and self._gate.opener(end)):
            return 0.0
        return self._context.speech

    def _let_fire(self, spotter: Spotter, score: float, end: int, levels: Sequence[float]) -> None:
        """Let a keyword fire, unless it is a command and the gate is closed."""
        wake = None
        if self._gate and self._gate.guards(spotter.keyword):
            wake = self._gate.opener(end)
            if wake is None:
                spotter.trigger.suppress(score, end, Reason.GATE_CLOSED)
                return
        candidate = spotter.fire(score, end, levels, wake)
        if candidate:
            self._candidates.append(candidate)
