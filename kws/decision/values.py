"""What the decision layer says, in sample positions; the pipeline makes seconds and a time of day of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Fired:
    """A keyword was said.

    Attributes:
        keyword: one of the labels.
        score: with which it fired, in [0, 1]: the average, less what speech before it takes away.
        start: the position at which the word is thought to begin.
        end: the position just after the newest sample heard when the decision fell.
        wake: the wake word that had opened the gate; None without a gate and for a wake word.
    """

    keyword: str
    score: float
    start: int
    end: int
    wake: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """A keyword's average rose near its threshold and fell again, and nothing fired: one for each such hump.

    Attributes:
        keyword: one of the labels.
        score: the hump's highest average, in [0, 1].
        threshold: what it would have taken.
        end: the position at the end of the window with that average.
        reason: what stood against it then.
    """

    keyword: str
    score: float
    threshold: float
    end: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Decision:
    """What one window led to: mostly nothing."""

    fired: tuple[Fired, ...] = ()
    near_misses: tuple[NearMiss, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.fired or self.near_misses)


NOTHING = Decision()
