"""The sound of one open source, on its way through one pipeline after another to the publishers."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable

import msgspec

from kws.audio.source import Source
from kws.decision import Fired
from kws.errors import AudioError
from kws.pipeline.pipeline import Scored, Step
from kws.service.hearing import Hearing
from kws.service.liveness import Liveness
from kws.service.place import Place
from kws.types import AudioBlock

_log = logging.getLogger(__name__)

#: Seconds of sound that a pipeline which takes over hears once more, so that no word falls between it and the old one.
_MEMORY_SECONDS = 1.5

#: Seconds between two warnings that the network is behind.
_WARN_SECONDS = 60.0


class Counters(msgspec.Struct):
    """Counts of one source since the service began. Written by the one thread that listens to the source; read by any.

    Attributes:
        windows: decided upon.
        seconds: of the network's time.
        level: of the newest hop of sound, in decibels re full scale; None before the first.
        detections: published.
        gaps: places where samples are missing.
        lost_samples: missing there, at the source's rate.
        overruns: how often the system lost sound before it reached us.
        drops: how often we dropped sound because the network was behind.
        reconnects: how often the source was opened again after it had failed.
    """

    windows: int = 0
    seconds: float = 0.0
    level: float | None = None
    detections: int = 0
    gaps: int = 0
    lost_samples: int = 0
    overruns: int = 0
    drops: int = 0
    reconnects: int = 0
    _sum: tuple[float, int] = (0.0, 0)  # of levels, and their number, since the last mean_level()
    _lock: threading.Lock = msgspec.field(default_factory=threading.Lock)

    def add(self, scored: Scored) -> None:
        """Count a window."""
        self.windows += 1
        self.seconds += scored.seconds
        self.level = scored.level
        with self._lock:
            total, count = self._sum
            self._sum = (total + scored.level, count + 1)

    def mean_level(self) -> float | None:
        """Return the mean since the last call, in decibels re full scale; None if no window was scored since."""
        with self._lock:
            (total, count), self._sum = self._sum, (0.0, 0)
        return total / count if count else None


class SourceStream:
    """One opening of a source, and the pipelines that hear it one after another.

    Args:
        source: open.
        place: in force.
        liveness: finds a dead microphone.
        hearing: gets windows of real sound, and has the observer.
        counters: of the source.
    """

    def __init__(self, source: Source, place: Place, liveness: Liveness, hearing: Hearing, counters: Counters) -> None:
        self._source = source
        self._place = place
        self._liveness = liveness
        self._hearing = hearing
        self._counters = counters
        self._lost_before = counters.overruns, counters.drops  # the source counts from its opening
        self._end = 0  # of the newest block
        self._recent: deque[AudioBlock] = deque()  # the newest that were heard
        self._published: dict[str, int] = {}  # the end of each keyword's last detection
        self._warn_at = 0.0
        self._overlap = 0  # position up to which a pipeline that took over may detect again
        self._opener: str | None = None  # the wake word that holds the gate open
        hearing.opened()
        hearing.observer.opened(place.site, source.name, source.rate)
        place.pipeline.open(source.rate)

    def follow(self, place: Place, liveness: Liveness) -> None:
        """Have another place hear the sound, and the last of it again, without publishing it twice."""
        source, pipeline, old = self._source, place.pipeline, self._place
        self._place, self._liveness = place, liveness
        if old.site != place.site:
            self._hearing.observer.opened(place.site, source.name, source.rate)
        pipeline.open(source.rate)
        if self._hearing.wanted:
            front_end = pipeline.model.front_end
            self._overlap = self._end * front_end.sample_rate // source.rate + front_end.window
            for block in self._recent:
                self._take(pipeline.push(block))

    def arrived(self, block: AudioBlock) -> None:
        """Count what was lost before a block, whether or not it is listened to."""
        counters, drops = self._counters, self._counters.drops
        if block.position != self._end:
            counters.gaps += 1
            counters.lost_samples += block.position - self._end
        self._end = block.end
        counters.overruns = self._lost_before[0] + self._source.overruns
        counters.drops = self._lost_before[1] + self._source.drops
        if counters.drops > drops and time.monotonic() >= self._warn_at:
            self._warn_at = time.monotonic() + _WARN_SECONDS
            _log.warning(
                "%sthe network is behind and the oldest sound was dropped, %d times since the service began",
                self._place.label, counters.drops,
            )  # fmt: skip

    def push(self, block: AudioBlock) -> float:
        """Take the next block; return the seconds that the source may wait.

        Raises:
            AudioError: the microphone is dead and must be reopened.
        """
        pipeline, source = self._place.pipeline, self._source
        if source.live and (problem := self._liveness.look(block, source.rate)):
            error = AudioError(f"{source.name} {problem}")
            if self._place.reopens:
                raise error
            self._hearing.lose(str(error))
        self._hearing.observer.sound(self._place.site, block)
        self._take(pipeline.push(block))
        self._recent.append(block)
        while self._recent[0].end < block.end - _MEMORY_SECONDS * source.rate:
            self._recent.popleft()
        return pipeline.pause_seconds if source.live else 0.0

    def restart(self) -> None:
        """Join what comes to nothing before it."""
        self._recent.clear()
        self._place.pipeline.open(self._source.rate)

    def finish(self) -> None:
        """Decide on what is under way: the source has ended."""
        self._take(self._place.pipeline.finish())

    def _take(self, steps: Iterable[Step]) -> None:
        site, pipeline, observer = self._place.site, self._place.pipeline, self._hearing.observer
        for step in steps:
            if scored := step.scored:
                self._counters.add(scored)
                self._show_gate(pipeline.opener(scored.end))
                observer.window(site, scored)
                # Neither the padding before the first block nor a dead microphone's zeros are sound.
                if scored.end > 0 and self._hearing.wanted and self._liveness.alive:
                    self._hearing.scored(self._source.name, pipeline.settings)
                    observer.scored(site, scored)
            if self._hearing.wanted:
                for fired in step.decision.fired:
                    self._publish(fired)
                for miss in step.decision.near_misses:
                    observer.near_miss(site, miss, pipeline.model.front_end.sample_rate)

    def close(self) -> None:
        """No more sound comes: the gate is closed."""
        self._show_gate(None)

    def _show_gate(self, wake_word: str | None) -> None:
        if wake_word != self._opener:
            self._opener = wake_word
            self._hearing.observer.gate(self._place.site, wake_word)

    def _publish(self, fired: Fired) -> None:
        if fired.end <= self._overlap and fired.start < self._published.get(fired.keyword, 0):
            return  # the pipeline before has detected this utterance
        self._published[fired.keyword] = fired.end
        detection = self._place.pipeline.detection(fired)
        self._place.publish(detection)
        _log.debug("%sdetected %s (%.2f)", self._place.label, detection.keyword, detection.score)
        self._counters.detections += 1
        self._hearing.detected(detection)
