"""Isolation: whether a word stands alone or in the middle of speech, told by the level of the sound around it.

All levels are those of single hops, in decibels of any reference, and all lengths are counted in hops. Quiet is
relative to the word's own loudest hop, so that neither the microphone's gain nor the noise of the room matters as
long as the word stands out of it by more than the margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Seconds by which a word's estimated start may be late, and its end may follow the moment at which it fires.
SLACK = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """What must be quiet around one keyword, in hops.

    Attributes:
        before: hops of quiet before the word; 0 asks for none.
        after: hops of quiet after the word; 0 asks for none.
        slack: hops by which the word may be longer than thought, at either end.
        margin: decibels below the word's loudest hop from which a hop is quiet.
    """

    before: int
    after: int
    slack: int
    margin: float

    @property
    def patience(self) -> int:
        """How many hops a decision waits at most for the quiet after the word."""
        return self.after + self.slack if self.after else 0

    @property
    def longest(self) -> int:
        """The longer of the two quiets."""
        return max(self.before, self.after)

    def limit(self, levels: Sequence[float], word: int) -> float:
        """The level up to which a hop is quiet, where the word lies in the newest ``word`` hops."""
        return max(levels[-word:]) - self.margin

    def quiet_before(self, levels: Sequence[float], word: int) -> bool:
        """Whether the word was preceded by quiet.

        Quiet is ``before`` quiet hops in a row, next to them the sound of the word, and no more of that sound than a
        word may have: it begins ``word + slack`` hops ago or later.

        Args:
            levels: the hops heard, newest last; what came before the first counts as quiet.
            word: how many hops ago the word is thought to begin.
        """
        if not self.before:
            return True
        limit = self.limit(levels, word)
        quiet = self.before
        for age, level in zip(range(len(levels), 0, -1), levels, strict=True):
            if level <= limit:
                quiet += 1
            elif quiet >= self.before and age <= word + self.slack:
                return True
            else:
                quiet = 0
        return False

    def quiet_after(self, levels: Sequence[float], limit: float) -> bool:
        """Whether the newest ``after`` hops are all quiet."""
        return all(level <= limit for level in levels[len(levels) - self.after :])
