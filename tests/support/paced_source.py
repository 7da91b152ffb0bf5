"""A microphone with a simulated clock, which only waiting advances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from kws.types import AudioBlock, Float32Array

RATE = 16000


@dataclass
class Recorder:
    """Makes sound ``pace`` times as fast as its clock, and keeps it until the reader asks.

    Attributes:
        block: seconds.
        pace: seconds of sound made in a second.
        whole: whether all that waits comes at once, as through a pipe; else block by block.
        now: what its clock says.
        wakes: how often somebody waited for sound, or rested.
        rests: seconds from the beginning of the sound to each rest.
        late: for each block how long its last sample had waited when it was heard.
    """

    block: float
    pace: float = 1.0
    whole: bool = False
    now: float = 100.0
    wakes: int = 0
    rests: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._begun = self.now

    def blocks(self, samples: Float32Array) -> Iterator[AudioBlock]:
        """The sound, whole blocks of it."""
        self._begun, heard = self.now, 0
        size = round(self.block * RATE)
        while (heard + 1) * size <= len(samples):
            there = int((self.now - self._begun) * self.pace / self.block + 1e-9)
            if there <= heard:
                there = heard + 1
                self.now = self._begun + there * self.block / self.pace
                self.wakes += 1
            last = min(there if self.whole else heard + 1, len(samples) // size)
            made = (self._begun + (i + 1) * self.block / self.pace for i in range(heard, last))
            self.late += [self.now - time for time in made]
            yield AudioBlock(samples[heard * size : last * size], heard * size)
            heard = last

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.rests.append(self.now - self._begun)
        self.now += seconds
        self.wakes += 1
