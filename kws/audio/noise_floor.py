"""Silence: whether there was anything in a window but the noise floor, and rest while there is not."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from kws.types import AudioBlock

#: Decibels re full scale above which a hop is never silent, however steady: below every level at which models learn
#: words.
LIMIT = -50.0

#: Decibels above the floor up to which a hop is part of it.
MARGIN = 2.0

#: Seconds in which the floor is found: it is the quietest hop of the last one to two times as long.
FLOOR_SECONDS = 5.0

#: Seconds of rest in silence: what is waiting then is heard at once, before the shortest word has been said whole.
REST = 0.25

#: Rests after which sound is waited for, because the clock of whoever makes it goes otherwise than ours.
_RESTS = 40


class Floor:
    """Tells from the levels of hops whether a whole window, and the hop before it, held nothing but the noise floor.

    It is not known before a stretch has been heard for as long as ``memory``. A noise that has become louder for good
    is the floor after twice that time at most; one that has become quieter is so at once.

    Args:
        hops: under one window, rounded up.
        memory: hops in which the floor is found.
    """

    def __init__(self, hops: int, memory: int) -> None:
        self._newest: deque[float] = deque(maxlen=hops + 1)
        self._memory = max(memory, hops + 1)
        self.reset()

    @classmethod
    def under(cls, window: int, hop: int, sample_rate: int) -> Floor:
        """For windows of so many samples, a hop of samples apart."""
        return cls(-(-window // hop), round(FLOOR_SECONDS * sample_rate / hop))

    def reset(self) -> None:
        """Begin a new stretch."""
        self._newest.clear()
        self._before = self._lowest = math.inf
        self._heard = 0

    def step(self, level: float) -> bool:
        """Take the next hop's level, in decibels."""
        if self._heard % self._memory == 0:
            self._before, self._lowest = self._lowest, math.inf
        self._heard += 1
        self._lowest = min(self._lowest, level)
        self._newest.append(level)
        if self._heard < self._memory:
            return False
        return max(self._newest) <= min(min(self._lowest, self._before) + MARGIN, LIMIT)


def unhurried(
    blocks: Iterable[AudioBlock],
    rate: int,
    silent: Callable[[], bool],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[AudioBlock]:
    """Live sound that is called for every :data:`REST` seconds only while nothing is heard in it.

    To wake up is most of what hearing silence costs. What comes meanwhile waits where it comes from, and nothing is
    told later for it: a word is not over as soon. There is rest only when all that can have been made was heard; sound
    that comes sooner than it is made, such as a file through a pipe, is taken as it comes.

    Args:
        blocks: of live sound.
        rate: samples a second.
        silent: whether the newest sound held nothing.
        clock: tells the time in seconds.
        sleep: waits for so many.
    """
    ahead = math.inf  # seconds that were heard beyond those that had been made; unknown before one was waited for
    rests, then = 0, clock()
    waiting = iter(blocks)
    while True:
        asked = clock()
        block = next(waiting, None)
        if block is None:
            return
        now, seconds = clock(), len(block.samples) / rate
        if now - asked > seconds / 2:
            ahead, rests = 0.0, 0
        else:
            ahead += seconds - (now - then)
        then = now
        yield block
        if abs(ahead) < seconds and rests < _RESTS and silent():
            sleep(REST)
            rests += 1
