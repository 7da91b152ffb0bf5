"""Hears what the service hears, and has the sound around words recorded."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kws.config.clips import ClipsOptions
from kws.service import Observer
from kws.service.clips.cutter import Cut, Cutter, Moment
from kws.service.clips.recorder import ClipCounts, Label, Recorder
from kws.types import AudioBlock, Detection

if TYPE_CHECKING:
    from kws.decision import NearMiss

#: Seconds that the network hears at once: a near miss is somewhere in them.
_WINDOW = 1.0


class ClipObserver(Observer):
    """Records what is heard, while that is asked for; while it is not, no sound is remembered either.

    Args:
        options: which sound, and where to; None for none.
    """

    def __init__(self, options: ClipsOptions | None = None) -> None:
        self._lock = threading.Lock()  # never held while somebody waits for a disk
        self._rates: dict[str, int] = {}
        self._cutters: dict[str, Cutter] = {}
        self._options: ClipsOptions | None = None
        self._recorder: Recorder | None = None
        self.follow(options)

    @property
    def counts(self) -> ClipCounts | None:
        """What became of recordings; None while none are asked for."""
        return self._recorder.counts if self._recorder else None

    def follow(self, options: ClipsOptions | None) -> None:
        """Go on with other options; what is under way is kept as far as it has come."""
        if options == self._options:
            return
        self.close()
        with self._lock:
            self._options = options
            self._recorder = Recorder(options) if options else None

    def close(self) -> None:
        """End what is under way, and write what waits, for a moment."""
        with self._lock:
            for site in tuple(self._cutters):
                self._forget(site)
            recorder, self._recorder, self._options = self._recorder, None, None
        if recorder:
            recorder.close()

    def opened(self, site: str, name: str, rate: int) -> None:  # noqa: ARG002 - the observers' interface
        with self._lock:
            self._forget(site)
            self._rates[site] = rate

    def sound(self, site: str, block: AudioBlock) -> None:
        with self._lock:
            if cutter := self._cutter(site):
                self._put(site, cutter.push(block))

    def detected(self, site: str, detection: Detection) -> None:
        label = Label(keyword=detection.keyword, score=detection.score, site=site, time=detection.time)
        self._mark(site, detection.start, detection.end, label)

    def near_miss(self, site: str, miss: NearMiss, sample_rate: int) -> None:
        if self._options and self._options.near_misses:
            label = Label(
                keyword=miss.keyword, score=miss.score, site=site, time=datetime.now(UTC), reason=miss.reason.value
            )
            end = miss.end / sample_rate
            self._mark(site, end - _WINDOW, end, label)

    def deaf(self, site: str, reason: str) -> None:  # noqa: ARG002
        with self._lock:
            self._forget(site)

    def resting(self, site: str) -> None:
        with self._lock:
            self._forget(site)

    def _cutter(self, site: str) -> Cutter | None:
        """That of a source, while recordings are asked for."""
        if self._options is None or site not in self._rates:
            return None
        if site not in self._cutters:
            rate = self._rates[site]
            before, after = round(self._options.before * rate), round(self._options.after * rate)
            self._cutters[site] = Cutter(before=before, after=after, rate=rate)
        return self._cutters[site]

    def _mark(self, site: str, start: float, end: float, label: Label) -> None:
        """Have what lies between two points in time recorded; in seconds since the source was opened."""
        with self._lock:
            if cutter := self._cutter(site):
                rate = self._rates[site]
                moment = Moment(start=round(start * rate), end=round(end * rate), tag=label)
                self._put(site, cutter.mark(moment))

    def _forget(self, site: str) -> None:
        """Record what is under way as far as it has come, and let go of the sound."""
        if cutter := self._cutters.pop(site, None):
            self._put(site, cutter.flush())

    def _put(self, site: str, cuts: list[Cut]) -> None:
        for cut in cuts:
            if self._recorder and isinstance(cut.moment.tag, Label):
                self._recorder.put(cut, cut.moment.tag, self._rates[site])
