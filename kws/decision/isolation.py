"""Isolation: finds from the level of the sound around a word whether it stands alone or amid speech.

All levels are those of single hops, in decibels of any reference, and all lengths count hops. Quiet is relative to the
word's own loudest hop, so that neither the microphone's gain nor steady noise matters.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

#: Seconds by which a word's estimated start may be late, and by which its end may follow the moment at which it fires.
SLACK = 0.15


class Isolation(msgspec.Struct, frozen=True, kw_only=True):
    """The quiet that one keyword needs around it, in hops.

    Attributes:
        before: hops of quiet before the word; 0 for none.
        after: hops of quiet after the word; 0 for none.
        slack: hops by which the word may be longer than estimated, at either end.
        margin: decibels below the word's loudest hop from which a hop is quiet.
    """

    before: int
    after: int
    slack: int
    margin: float

    @property
    def patience(self) -> int:
        """The hops that a decision waits at most for the quiet after the word."""
        return self.after + self.slack if self.after else 0

    def limit(self, levels: Sequence[float], word: int) -> float:
        """Return the level up to which a hop is quiet, for a word within the newest ``word`` hops."""
        return max(levels[-word:]) - self.margin

    def quiet_before(self, levels: Sequence[float], word: int) -> bool:
        """Return True if quiet came before the word.

        That is: ``before`` quiet hops in a row, directly followed by sound that begins ``word + slack`` hops ago or
        later. So the sound after the quiet is no longer than a word.

        Args:
            levels: of the hops heard, newest last; what came before the first counts as quiet.
            word: hops since the estimated start of the word.
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
        """Return True if the newest ``after`` hops are all quiet."""
        return all(level <= limit for level in levels[len(levels) - self.after :])
