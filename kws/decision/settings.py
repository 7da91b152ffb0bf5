"""The settings of the decision layer: complete and validated, with the built-in defaults.

Users write partial options in layers, see :mod:`kws.decision.options`; :func:`~kws.decision.options.resolve` joins
them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from kws.common.tables import inside, key_written
from kws.decision.score_scale import PLAIN, ScoreScale
from kws.errors import OptionError

#: Seconds from one window to the next.
HOP = 0.05

#: Digits of a value that moves with a threshold: enough for any purpose, without the noise of binary fractions.
_DIGITS = 12

#: With this margin in decibels all speech before a word counts: no two levels differ by more.
LARGEST_MARGIN = 120.0

RANGES: Mapping[str, tuple[float, float]] = {
    "hop": (0.01, 0.5),
    "sensitivity": (0.0, 1.0),
    "threshold": (0.01, 1.0),
    "smoothing": (0.01, 5.0),
    "patience": (1, 100),
    "refractory": (0.0, 60.0),
    "length": (0.05, 1.0),
    "quiet_before": (0.0, 5.0),
    "quiet_after": (0.0, 5.0),
    "quiet_margin": (1.0, 60.0),
    "speech_before": (0.0, 1.0),
    "speech_margin": (0.0, LARGEST_MARGIN),
    "seconds": (0.1, 3600.0),
}


def table_of(keyword: str) -> str:
    """Return the path of a keyword's own table."""
    return f"keyword.{key_written(keyword)}"


def check_ranges(settings: object) -> None:
    """Raise :class:`OptionError` for the first attribute that is outside its range in ``RANGES``; None is within."""
    for key, (low, high) in RANGES.items():
        value = getattr(settings, key, None)
        if value is not None and not low <= value <= high:  # so that nan fails too
            raise OptionError(key, f"{value:g} is not within {low:g} to {high:g}")


def threshold_at(sensitivity: float) -> float:
    """Return the threshold for a sensitivity in [0, 1]: what is missing to 1."""
    return max(RANGES["threshold"][0], round(1 - sensitivity, _DIGITS))


class KeywordSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of one keyword.

    Attributes:
        threshold: the score at which it fires.
        release: the score below which an utterance is over; at most the threshold.
        near: the score from which an activation that did not fire is reported; between release and threshold.
        smoothing: seconds over which posteriors are averaged, rounded to whole windows.
        patience: windows in a row that must be at the threshold and the largest.
        refractory: seconds after it fired during which it does not fire again.
        length: seconds that the word typically lasts, to estimate its start.
        quiet_before: seconds of quiet needed before the word; 0 for none.
        quiet_after: seconds of quiet needed after the word; 0 for none. The decision waits for it.
        quiet_margin: decibels below the word's loudest hop from which a hop is quiet.
        speech_before: share of its score that a keyword loses if only other words came before it.
        speech_margin: decibels below the word from which speech before it does not count.
        score_scale: the averages that have the scores 0.5 and 0.9, see :class:`~kws.decision.score_scale.ScoreScale`.

    Raises:
        OptionError: a value is out of its range.
    """

    threshold: float = 0.8
    release: float = 0.48
    near: float = 0.64
    smoothing: float = 0.15
    patience: int = 1
    refractory: float = 0.6
    length: float = 0.4
    quiet_before: float = 0.0
    quiet_after: float = 0.0
    quiet_margin: float = 5.0
    speech_before: float = 0.0
    speech_margin: float = LARGEST_MARGIN
    score_scale: tuple[float, float] = (PLAIN.half, PLAIN.clear)

    def __post_init__(self) -> None:
        check_ranges(self)
        try:
            ScoreScale(*self.score_scale)
        except ValueError as error:
            raise OptionError("score_scale", str(error)) from None
        if not 0 < self.release <= self.threshold:
            raise OptionError(
                "release", f"{self.release:g} is not above 0 and at most the threshold {self.threshold:g}"
            )
        if not self.release <= self.near <= self.threshold:
            raise OptionError(
                "near",
                f"{self.near:g} is not between the release {self.release:g} and the threshold {self.threshold:g}",
            )

    @property
    def scale(self) -> ScoreScale:
        """The scale of its scores."""
        return ScoreScale(*self.score_scale)

    def in_averages(self) -> KeywordSettings:
        """Return the same settings with averages in place of scores, as the trigger compares them."""
        average = self.scale.average
        return replace(
            self,
            threshold=average(self.threshold),
            release=average(self.release),
            near=average(self.near),
            score_scale=(PLAIN.half, PLAIN.clear),
        )

    def override(self, **said: Any) -> KeywordSettings:
        """Return these settings with some of them replaced.

        A threshold without a release moves release and near in proportion. A user who sets a threshold below the
        release that a model recommends means to move both.

        Raises:
            OptionError: a value is out of its range, alone or together with the others.
        """
        threshold = said.get("threshold", self.threshold)
        scale = threshold / self.threshold

        def moved(value: float) -> float:
            return value if scale == 1 else min(round(value * scale, _DIGITS), threshold)

        release = said.get("release", moved(self.release))
        near = said.get("near", max(release, moved(self.near)))
        return replace(self, **{**said, "release": release, "near": near})


class GateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The gate: commands count only after a wake word.

    Attributes:
        wake_words: the keywords that open the gate, at least one.
        seconds: how long it stays open after a wake word.
        extend: whether each command that fires keeps it open for as long again.

    Raises:
        OptionError: a value is out of its range.
    """

    wake_words: tuple[str, ...]
    seconds: float = 5.0
    extend: bool = False

    def __post_init__(self) -> None:
        check_ranges(self)
        if not self.wake_words:
            raise OptionError("wake_words", "names no wake word")


class DecisionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All settings of the decision layer.

    Attributes:
        hop: seconds from one window to the next.
        keywords: the settings of every keyword of the model.
        gate: the gate; None lets every keyword count at any time.
        off: keywords that are switched off: they neither fire nor come near. Other keywords must still be larger.
        enrolled: keywords that are enrolled words, the last of the labels. They need only be larger than each other,
            and no other keyword depends on them.

    Raises:
        OptionError: a value is out of its range; a smoothing is shorter than the hop; a wake word is no keyword.
    """

    hop: float = HOP
    keywords: Mapping[str, KeywordSettings]
    gate: GateSettings | None = None
    off: frozenset[str] = frozenset()
    enrolled: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        check_ranges(self)
        for keyword, settings in self.keywords.items():
            if settings.smoothing < self.hop:
                raise OptionError(
                    f"{table_of(keyword)}.smoothing",
                    f"{settings.smoothing:g} is shorter than the hop of {self.hop:g}",
                )
        for word in self.gate.wake_words if self.gate else ():
            if word not in self.keywords:
                raise OptionError("gate.wake_words", f"{word!r} is not a keyword")

    @property
    def listened(self) -> tuple[str, ...]:
        """The keywords that are not switched off."""
        return tuple(keyword for keyword in self.keywords if keyword not in self.off)

    def windows(self, keyword: str) -> int:
        """Return the number of windows in the keyword's average."""
        return max(1, round(self.keywords[keyword].smoothing / self.hop))

    def rivals(self, keyword: str, labels: int) -> slice:
        """Return the columns among so many labels that a keyword must be the largest of."""
        own = labels - len(self.enrolled)
        return slice(own, labels) if keyword in self.enrolled else slice(0, own)

    def with_threshold(self, keyword: str, threshold: float) -> DecisionSettings:
        """Return these settings with another threshold for a keyword; its release and near move in proportion.

        Raises:
            OptionError: there is no such keyword, or the threshold is out of its range.
        """
        self._check(keyword)
        with inside(table_of(keyword)):
            changed = self.keywords[keyword].override(threshold=threshold)
        return replace(self, keywords={**self.keywords, keyword: changed})

    def with_keyword(self, keyword: str, *, on: bool) -> DecisionSettings:
        """Return these settings with a keyword switched on or off.

        Raises:
            OptionError: there is no such keyword.
        """
        self._check(keyword)
        return replace(self, off=self.off - {keyword} if on else self.off | {keyword})

    def _check(self, keyword: str) -> None:
        if keyword not in self.keywords:
            raise OptionError(table_of(keyword), f"not a keyword; choose from {', '.join(self.keywords)}")
