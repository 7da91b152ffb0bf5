"""The decision layer joined: the posteriors of one window in, detections and near misses out."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from operator import itemgetter

import numpy as np

from kws.decision.context import Context
from kws.decision.gate import Gate
from kws.decision.isolation import SLACK
from kws.decision.keyword import Candidate, Grid, KeywordDecider
from kws.decision.settings import DecisionSettings
from kws.decision.smoothing import RunningMean, to_counts
from kws.decision.values import NOTHING, Decision, Fired, NearMiss, Reason
from kws.types import SILENCE, UNKNOWN, Float32Array

#: More windows in a row were not tried.
_MOST_IN_A_ROW = 2


class Decider:
    """Finds spoken words in posteriors, window by window.

    All time is in samples. A segment begins with the first window after construction or :meth:`reset`; nothing before
    it has any influence.

    Args:
        labels: of the posteriors.
        settings: for exactly the keywords among the labels.
        sample_rate: of all positions, in hertz.
        window: samples of one window.
        score: returns the posteriors of the window so many windows before the newest; it is asked for those that
            :meth:`step` took without, once a decision depends on them.

    Raises:
        ValueError: the settings are for other keywords, or ask for a label that there is not.

    Attributes:
        settings: in force; :meth:`set_threshold` and :meth:`set_keyword` replace them.
        hop: samples from one window to the next.
        idle: True if no activation and no candidate is under way.
        history: how many windows back ``score`` may be asked for.
        delay: windows in a row that can wait for the one after them while nothing is :attr:`urgent`: so few that
            posteriors of 1 in all of them bring no average to its threshold.
    """

    def __init__(
        self,
        labels: Sequence[str],
        settings: DecisionSettings,
        *,
        sample_rate: int = 16000,
        window: int = 16000,
        score: Callable[[int], Float32Array] | None = None,
    ) -> None:
        keywords = [label for label in labels if label not in (SILENCE, UNKNOWN)]
        if set(keywords) != set(settings.keywords):
            raise ValueError(f"settings for {sorted(settings.keywords)}, but the keywords are {sorted(keywords)}")
        grid = Grid(sample_rate, round(settings.hop * sample_rate), window)
        means = {windows: RunningMean(windows, len(labels)) for windows in map(settings.windows, keywords)}
        self.settings = settings
        self.hop = grid.hop
        self._score = score
        self._gate = Gate(settings.gate, sample_rate) if settings.gate else None
        self._deciders = [
            KeywordDecider(
                label,
                column,
                means[settings.windows(label)],
                settings.keywords[label],
                grid,
                rivals=settings.rivals(label, len(labels)),
            )
            for column, label in enumerate(labels)
            if label in keywords
        ]
        # Each mean with the keywords that use it, as places among all keywords and among the posteriors.
        self._means = [
            (
                mean,
                np.flatnonzero([decider.mean is mean for decider in self._deciders]),
                np.array([decider.column for decider in self._deciders if decider.mean is mean]),
            )
            for mean in means.values()
        ]
        self._averages = np.zeros(len(keywords))
        # In most windows no keyword's posterior comes near any release. They are only kept, and averaged when one comes
        # in which one does.
        first, *others = (decider.column for decider in self._deciders)
        self._of_keywords = itemgetter(first, first, *others)  # with one column alone it would return no tuple
        self._longest = max(mean.windows for mean in means.values())
        self._unread: deque[Float32Array | None] = deque(maxlen=self._longest)
        weighs_speech = any(chosen.speech_before for chosen in settings.keywords.values())
        if weighs_speech and UNKNOWN not in labels:
            raise ValueError(f"speech_before: the model has no label {UNKNOWN}")
        self._unknown = list(labels).index(UNKNOWN) if weighs_speech else -1
        self._context = Context(grid) if weighs_speech else None
        self.history = max(self._longest - 1, self._context.history if self._context else 0)
        quiet = max(max(decider.isolation.before, decider.isolation.after) for decider in self._deciders)
        self._needs_levels = quiet > 0 or weighs_speech
        self._levels: deque[float] = deque(maxlen=grid.hops(window + grid.samples(SLACK)) + quiet)
        self._candidates: list[Candidate] = []
        self._end: int | None = None  # of the newest window
        self._calm = 0  # windows in a row in which no posterior came near any release
        self.idle = True
        self._set_releases()

    @property
    def calm(self) -> bool:
        """True if nothing is under way, and no posterior in any average comes near any keyword's release."""
        return self.idle and self._calm >= self._longest

    @property
    def urgent(self) -> bool:
        """True if a keyword may fire in the next :attr:`delay` windows, whatever their posteriors are."""
        if self.calm:
            return False
        if self._candidates or not all(mean.full for mean, _, _ in self._means):
            return True
        high = np.flatnonzero(self._averages >= self._urgent_from)
        return any(not self._deciders[place].trigger.spent for place in high)

    def opener(self, end: int) -> str | None:
        """Return the wake word that holds the gate open at a position; None if it is closed, or there is none."""
        return self._gate.opener(end) if self._gate else None

    def step(
        self, posteriors: Float32Array | None, end: int, level: float | None = None, *, silent: bool = False
    ) -> Decision:
        """Take the next window.

        Args:
            posteriors: float32 ``(labels,)``; kept, so the caller must not write to it afterwards. None while
                :attr:`calm`, for a window that holds nothing but the noise floor or one of at most :attr:`delay` in a
                row. The same keywords fire, to the bit, unless a posterior is high in such windows alone. A near miss
                may be lost.
            end: the position just after the window's last sample, a hop after that of the window before.
            level: of the newest hop, in decibels; needed if a keyword has ``quiet_...`` or ``speech_before``.
            silent: whether the window held nothing but the noise floor.

        Returns:
            The keywords that fired, and the activations that ended as near misses.

        Raises:
            ValueError: a window was left out without :meth:`reset`, or the level is missing.
        """
        if self._end is not None and end != self._end + self.hop:
            raise ValueError(f"a window ends at {end}, the one before at {self._end}: reset() where sound is missing")
        if self._needs_levels:
            if level is None:
                raise ValueError("a keyword asks what was around it: each window needs its level")
            self._levels.append(level)
            if self._context:
                unknown = None if posteriors is None else float(posteriors[self._unknown])
                self._context.push(unknown, level, silent=silent)
        self._end = end
        self._unread.append(posteriors)
        self._calm = 0 if posteriors is not None and self._near(posteriors) else self._calm + 1
        if self.calm:
            return NOTHING
        self._average()
        active = self._averages >= self._releases
        if self.idle and not active.any():
            return NOTHING
        return self._attend(active.tolist(), end)

    def _near(self, posteriors: Float32Array) -> bool:
        """Return True if any keyword's posterior comes near any release."""
        return bool(max(self._of_keywords(posteriors.tolist())) >= self._calm_below)

    def _ask(self, ago: int) -> Float32Array:
        """Have a window scored that was not."""
        assert self._score
        posteriors = self._score(ago)
        if self._context:
            self._context.amend(ago, float(posteriors[self._unknown]))
        return posteriors

    def reset(self) -> Decision:
        """End the segment: the next window begins a new one, with every keyword armed and the gate closed.

        Returns:
            The near misses that were under way. A word that still waits for the quiet after it is one of them.
        """
        misses = [candidate.give_up() for candidate in self._candidates]
        misses += [miss for decider in self._deciders if (miss := decider.close())]
        for decider in self._deciders:
            decider.trigger.reset()
        for mean, _, _ in self._means:
            mean.reset()
        if self._gate:
            self._gate.reset()
        if self._context:
            self._context.reset()
        self._unread.clear()
        self._levels.clear()
        self._candidates.clear()
        self._end = None
        self._calm = 0
        self.idle = True
        return Decision(near_misses=tuple(misses))

    def set_threshold(self, keyword: str, threshold: float) -> None:
        """Change a keyword's threshold between two windows; release and near move in proportion, no state is lost.

        Raises:
            UsageError: there is no such keyword, or the threshold is out of its range.
        """
        self.settings = self.settings.with_threshold(keyword, threshold)
        for decider in self._deciders:
            decider.set(self.settings.keywords[decider.keyword])
        self._set_releases()
        self._calm = 0  # it was counted by the threshold before

    def set_keyword(self, keyword: str, *, on: bool) -> None:
        """Switch a keyword on or off between two windows. What is under way for one that goes off is dropped.

        Raises:
            UsageError: there is no such keyword.
        """
        self.settings = self.settings.with_keyword(keyword, on=on)
        if not on:
            self._candidates = [one for one in self._candidates if one.decider.keyword != keyword]
            for decider in self._deciders:
                if decider.keyword == keyword:
                    decider.close()
        self._set_releases()
        self._calm = 0  # it was counted by the keywords before

    def _set_releases(self) -> None:
        """Set the average from which each keyword is active: one that is switched off never is; and what follows."""
        on = np.array([decider.keyword not in self.settings.off for decider in self._deciders])
        settings = [decider.trigger.settings for decider in self._deciders]
        self._releases = np.where(on, [one.release for one in settings], np.inf)
        thresholds = np.where(on, [one.threshold for one in settings], np.inf)
        self._calm_below = below = 0.5 * min(1.0, float(self._releases.min()))
        windows = np.array([decider.mean.windows for decider in self._deciders])
        # The posteriors of the other windows are less than `below`. Posteriors reach 1 by rounding, so the least excess
        # counts as none.
        enough = float((windows * (thresholds - below) / (1 - below) - 1e-6).min())
        self.delay = math.ceil(max(1.0, min(enough, _MOST_IN_A_ROW + 1))) - 1
        self._urgent_from = thresholds - self.delay / windows

    def _average(self) -> None:
        """Bring the averages up to the newest window."""
        for place, posteriors in enumerate(self._unread, 1 - len(self._unread)):
            counts = to_counts(self._ask(-place) if posteriors is None else posteriors)
            for mean, _, _ in self._means:
                mean.push(counts)
        self._unread.clear()
        for mean, places, columns in self._means:
            self._averages[places] = mean.averages[columns]

    def _attend(self, active: list[bool], end: int) -> Decision:
        """Step the keywords with an activation, close the activations that are over, and settle the candidates."""
        levels = tuple(self._levels)
        misses: list[NearMiss] = []
        for decider, average, high in zip(self._deciders, self._averages.tolist(), active, strict=True):
            if high:
                # Below the threshold nothing depends on the speech before it, and asking may cost the network's time.
                may_fire = average >= decider.trigger.settings.threshold
                speech = self._speech_before(decider.keyword, end) if may_fire else 0.0
                reduced = decider.step(average, end, speech)
                if reduced is not None:
                    self._let_fire(decider, reduced, end, levels)
            elif decider.trigger.start is not None and (miss := decider.close()):
                misses.append(miss)
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
        self.idle = not self._candidates and not any(active)
        return Decision(tuple(fired), tuple(misses)) if fired or misses else NOTHING

    def _speech_before(self, keyword: str, end: int) -> float:
        """Return the speech before a keyword: none before a command that a wake word announced."""
        if not self._context or (self._gate and self._gate.guards(keyword) and self._gate.opener(end)):
            return 0.0
        margin = self.settings.keywords[keyword].speech_margin
        for ago in self._context.unscored(margin):
            self._ask(ago)
        return self._context.speech(margin)

    def _let_fire(self, decider: KeywordDecider, reduced: float, end: int, levels: Sequence[float]) -> None:
        """Let a keyword fire, unless it is a command and the gate is closed."""
        wake = None
        if self._gate and self._gate.guards(decider.keyword):
            wake = self._gate.opener(end)
            if wake is None:
                decider.trigger.suppress(reduced, end, Reason.GATE_CLOSED)
                return
        candidate = decider.fire(reduced, end, levels, wake)
        if candidate:
            self._candidates.append(candidate)
