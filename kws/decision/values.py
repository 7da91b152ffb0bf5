"""The decision layer's results, in sample positions; the pipeline turns them into seconds and a time of day."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Reason(StrEnum):
    """Why a keyword that came near did not fire."""

    BELOW_THRESHOLD = "below threshold"
    NOT_LARGEST = "another label was larger"
    NOT_PATIENT = "not for long enough"
    REFRACTORY = "within the refractory time"
    HELD = "not released since it fired"
    GATE_CLOSED = "no wake word before it"
    NOT_ISOLATED = "not on its own"
    IN_SPEECH = "amid other words"


class Fired(msgspec.Struct, frozen=True, kw_only=True):
    """A keyword was spoken.

    Attributes:
        keyword: one of the labels.
        score: the best estimate, when it fired, of the highest score of its activation; in [0, 1].
        start: the estimated position of the word's first sample.
        end: the position just after the newest sample heard at the decision.
        wake: the wake word that had opened the gate; None without a gate and for a wake word.
    """

    keyword: str
    score: float
    start: int
    end: int
    wake: str | None = None


class NearMiss(msgspec.Struct, frozen=True, kw_only=True):
    """An activation that came near the threshold and ended without firing.

    Attributes:
        keyword: one of the labels.
        score: the highest score of the activation, without what speech before it takes away; in [0, 1].
        threshold: the keyword's threshold.
        end: the position at the end of the window with that average.
        reason: what kept it from firing there.
    """

    keyword: str
    score: float
    threshold: float
    end: int
    reason: Reason


class Decision(msgspec.Struct, frozen=True):
    """The results of one window: mostly none."""

    fired: tuple[Fired, ...] = ()
    near_misses: tuple[NearMiss, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.fired or self.near_misses)


NOTHING = Decision()
