"""The decision layer once more, slow and by definition: every window looks at the whole past, and nothing is kept.

Isolation has its own reference. Sums are of fractions, so exact.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from kws.decision import DecisionSettings, Reason
from kws.types import SILENCE, UNKNOWN


@dataclass
class Reference:
    """Decides ``rows`` of posteriors, one for each label.

    Attributes:
        fired: keyword, window and wake word of what fired.
        missed: keyword, window of the peak, score and reason of each near miss, and the window that reports it.
    """

    labels: tuple[str, ...]
    rows: list[list[Fraction]]
    settings: DecisionSettings
    fired: list[tuple[str, int, str | None]] = field(default_factory=list)
    missed: list[tuple[str, int, float, Reason, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kept_out: list[tuple[str, int]] = []
        keywords = [label for label in self.labels if label not in (SILENCE, UNKNOWN)]
        for window in range(len(self.rows)):
            wake = self.wake_word(window)
            for keyword in keywords:
                if self.obstacle(keyword, window) is None:
                    gate = self.settings.gate
                    if gate is None or keyword in gate.wake_words:
                        self.fired.append((keyword, window, None))
                    elif wake:
                        self.fired.append((keyword, window, wake))
                    else:
                        self.kept_out.append((keyword, window))
        for keyword in keywords:
            self.missed += self.near_misses(keyword)

    def samples(self, windows: int) -> int:
        return windows * round(self.settings.hop * 16000)

    def average(self, label: str, window: int, over: int) -> Fraction:
        if window + 1 < over:
            return Fraction(0)
        heard = self.rows[window + 1 - over : window + 1]
        return sum((row[self.labels.index(label)] for row in heard), Fraction(0)) / over

    def score(self, keyword: str, window: int) -> Fraction:
        return self.average(keyword, window, self.settings.windows(keyword))

    def published(self, keyword: str, window: int) -> float:
        """The score of a detection: the highest posterior in the average, which it is expected to come to."""
        first = window + 1 - self.settings.windows(keyword)
        highest = max(row[self.labels.index(keyword)] for row in self.rows[first : window + 1])
        return float(highest)

    def largest(self, keyword: str, window: int) -> bool:
        over = self.settings.windows(keyword)
        enrolled = keyword in self.settings.enrolled
        rivals = [label for label in self.labels if (label in self.settings.enrolled) == enrolled]
        averages = [self.average(label, window, over) for label in rivals]
        return averages.index(max(averages)) == rivals.index(keyword)

    def qualifies(self, keyword: str, window: int) -> bool:
        return window >= 0 and (
            self.score(keyword, window) >= self.settings.keywords[keyword].threshold and self.largest(keyword, window)
        )

    def obstacle(self, keyword: str, window: int) -> Reason | None:
        """Return the reason not to fire, given all that fired before."""
        chosen = self.settings.keywords[keyword]
        fired = [when for what, when, _ in self.fired if what == keyword and when < window]
        spent = fired + [when for what, when in self.kept_out if what == keyword and when < window]
        if self.score(keyword, window) < chosen.threshold:
            return Reason.BELOW_THRESHOLD
        if not self.largest(keyword, window):
            return Reason.NOT_LARGEST
        if spent and all(self.score(keyword, when) >= chosen.release for when in range(max(spent), window)):
            return Reason.HELD
        if any(self.samples(window - when) < round(chosen.refractory * 16000) for when in fired):
            return Reason.REFRACTORY
        if not all(self.qualifies(keyword, when) for when in range(window - chosen.patience + 1, window + 1)):
            return Reason.NOT_PATIENT
        return None

    def wake_word(self, window: int) -> str | None:
        """The wake word that holds the gate open before a window."""
        gate = self.settings.gate
        if gate is None:
            return None
        holding = [when for what, when, _ in self.fired if gate.extend or what in gate.wake_words]
        wakes = [what for what, _, _ in self.fired if what in gate.wake_words]
        opened = wakes and self.samples(window - max(holding)) <= round(gate.seconds * 16000)
        return wakes[-1] if opened else None

    def near_misses(self, keyword: str) -> list[tuple[str, int, float, Reason, int]]:
        chosen = self.settings.keywords[keyword]
        activations: list[list[int]] = []
        for window in range(len(self.rows)):
            if self.score(keyword, window) >= chosen.release:
                if window and activations and activations[-1][-1] == window - 1:
                    activations[-1].append(window)
                else:
                    activations.append([window])
        missed = []
        for activation in activations:
            fired = [when for what, when, _ in self.fired if what == keyword and when in activation]
            kept_out = [when for what, when in self.kept_out if what == keyword and when in activation]
            if fired:
                peaks = [
                    window
                    for window in activation
                    if window > fired[0]
                    and self.qualifies(keyword, window)
                    and any(self.score(keyword, when) < chosen.near for when in range(fired[0], window))
                ]
            else:
                peaks = [window for window in activation if self.score(keyword, window) >= chosen.near]
            if peaks:
                peak = max(peaks, key=lambda window: (self.score(keyword, window), window))
                reason = Reason.GATE_CLOSED if kept_out else self.obstacle(keyword, peak)
                assert reason is not None
                missed.append((keyword, peak, float(self.score(keyword, peak)), reason, activation[-1] + 1))
        return missed
