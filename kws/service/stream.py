"""The sound of one open source, on its way through one pipeline after another to the publishers."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kws.errors import AudioError
from kws.service.counters import Counters
from kws.service.hearing import Hearing
from kws.service.liveness import Liveness
from kws.service.setup import Setup
from kws.types import AudioBlock

if TYPE_CHECKING:
    from kws.audio.source import Source
    from kws.decision import Fired
    from kws.pipeline.pipeline import Step

_log = logging.getLogger(__name__)

#: Seconds of sound that a pipeline which takes over hears once more, so that no word falls between it and the old one.
_MEMORY_SECONDS = 1.5

#: Seconds between two warnings that the network is behind.
_WARN_SECONDS = 60.0


class SourceStream:
    """One opening of a source, and the pipelines that hear it one after another.

    Args:
        source: open.
        hearing: gets windows of real sound, and has the observer.
        counters: of the source.
    """

    def __init__(self, source: Source, hearing: Hearing, counters: Counters) -> None:
        self._source = source
        self._hearing = hearing
        self._counters = counters
        self._liveness = Liveness(0)
        self._setup: Setup | None = None
        self._recent: deque[AudioBlock] = deque()  # the newest that were heard
        self._published: dict[str, int] = {}  # the end of each keyword's last detection
        self._warn_at = 0.0
        self._overlap = 0  # position up to which a pipeline that took over may detect again
        counters.opened()
        hearing.opened()

    def follow(self, setup: Setup, liveness: Liveness, end: int = 0) -> None:
        """Have the sound heard by another setup.

        Args:
            setup: in force from now on.
            liveness: finds a dead microphone.
            end: of the newest sound; the pipeline hears the last of it again, without publishing it twice.
        """
        source, pipeline, old = self._source, setup.pipeline, self._setup
        self._setup, self._liveness = setup, liveness
        if old is None or old.site != setup.site:
            self._hearing.observer.opened(setup.site, source.name, source.rate)
        pipeline.open(source.rate)
        if old and self._hearing.wanted:
            front_end = pipeline.model.front_end
            self._overlap = end * front_end.sample_rate // source.rate + front_end.window
            for block in self._recent:
                self._take(pipeline.push(block), setup)

    def arrived(self, block: AudioBlock) -> None:
        """Count what was lost before a block, whether or not it is listened to."""
        drops = self._counters.drops
        self._counters.arrived(block, self._source)
        if self._counters.drops > drops and time.monotonic() >= self._warn_at and self._setup:
            self._warn_at = time.monotonic() + _WARN_SECONDS
            _log.warning(
                "%sthe network is behind and the oldest sound was dropped, %d times since the service began",
                self._setup.label, self._counters.drops,
            )  # fmt: skip

    def push(self, block: AudioBlock) -> float:
        """Take the next block; return the seconds that the source may wait.

        Raises:
            AudioError: the microphone is dead.
        """
        setup, source = self._setup, self._source
        assert setup
        if problem := self._liveness.look(block, source.rate):
            raise AudioError(f"{source.name} {problem}")
        self._hearing.observer.sound(setup.site, block)
        self._take(setup.pipeline.push(block), setup)
        self._recent.append(block)
        while self._recent[0].end < block.end - _MEMORY_SECONDS * source.rate:
            self._recent.popleft()
        return setup.pipeline.pause_seconds if source.live else 0.0

    def restart(self) -> None:
        """Join what comes to nothing before it."""
        assert self._setup
        self._recent.clear()
        self._setup.pipeline.open(self._source.rate)

    def finish(self) -> None:
        """Decide on what is under way: the source has ended."""
        assert self._setup
        self._take(self._setup.pipeline.finish(), self._setup)

    def _take(self, steps: Iterable[Step], setup: Setup) -> None:
        observer = self._hearing.observer
        for step in steps:
            if scored := step.scored:
                self._counters.add(scored)
                observer.window(setup.site, scored)
                # Neither the padding before the first block nor a dead microphone's zeros are sound.
                if scored.end > 0 and self._hearing.wanted and self._liveness.alive:
                    self._hearing.scored(self._source.name, setup.pipeline.settings.listened)
                    observer.scored(setup.site, scored)
            if self._hearing.wanted:
                for fired in step.decision.fired:
                    self._publish(fired, setup)
                for miss in step.decision.near_misses:
                    self._counters.near_misses += 1
                    observer.near_miss(setup.site, miss, setup.pipeline.model.front_end.sample_rate)

    def _publish(self, fired: Fired, setup: Setup) -> None:
        if fired.end <= self._overlap and fired.start < self._published.get(fired.keyword, 0):
            return  # the pipeline before has detected this utterance
        self._published[fired.keyword] = fired.end
        detection = setup.pipeline.detection(fired)
        setup.dispatcher.put(detection)
        _log.debug("%sdetected %s (%.2f)", setup.label, detection.keyword, detection.score)
        self._counters.detections += 1
        self._hearing.detected(detection)
