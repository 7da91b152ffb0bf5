"""Listens to the service and records the sound around words."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from kws.config.schema import ClipsOptions
from kws.decision import NearMiss
from kws.publishers.observer import Observer
from kws.service.clips.cutter import ClipRequest, Cutter, RecordedClip
from kws.service.clips.recorder import ClipCounts, ClipRecorder
from kws.types import AudioBlock, Detection

#: Seconds of one window of the model: a near miss is somewhere within.
_WINDOW_SECONDS = 1.0

#: Seconds for writing what waits at the end. A disk that hangs is abandoned.
_END_SECONDS = 0.5


class ClipObserver(Observer):
    """Records words while the options ask for it; otherwise it remembers no sound.

    Args:
        options: None to record nothing.
    """

    def __init__(self, options: ClipsOptions | None = None) -> None:
        self._lock = threading.Lock()  # never held while a thread waits for the disk
        self._rates: dict[str, int] = {}  # by site
        self._cutters: dict[str, Cutter] = {}
        self._options: ClipsOptions | None = None
        self._recorder: ClipRecorder | None = None
        self.follow(options)

    @property
    def counts(self) -> ClipCounts | None:
        """Counts of recordings; None while recording is off."""
        return self._recorder.counts if self._recorder else None

    def follow(self, options: ClipsOptions | None) -> None:
        """Continue with other options. Clips that are not complete are kept as far as they go."""
        if options == self._options:
            return
        self.close()
        with self._lock:
            self._options = options
            self._recorder = ClipRecorder(options) if options else None

    def close(self) -> None:
        """Finish open clips, and write what waits for a moment."""
        with self._lock:
            for site in tuple(self._cutters):
                self._flush(site)
            recorder, self._recorder, self._options = self._recorder, None, None
        if recorder:
            recorder.close(_END_SECONDS)

    def opened(self, site: str, name: str, rate: int) -> None:  # noqa: ARG002 - the observers' interface
        with self._lock:
            self._flush(site)
            self._rates[site] = rate

    def sound(self, site: str, block: AudioBlock) -> None:
        with self._lock:
            if cutter := self._cutter(site):
                self._record(site, cutter.push(block))

    def detected(self, site: str, detection: Detection) -> None:
        self._request(
            site, detection.start, detection.end,
            keyword=detection.keyword, score=detection.score, time=detection.time,
        )  # fmt: skip

    def near_miss(self, site: str, miss: NearMiss, sample_rate: int) -> None:
        if self._options and self._options.near_misses:
            end = miss.end / sample_rate
            self._request(
                site, end - _WINDOW_SECONDS, end,
                keyword=miss.keyword, score=miss.score, time=datetime.now(UTC), reason=miss.reason.value,
            )  # fmt: skip

    def lost(self, site: str, reason: str) -> None:  # noqa: ARG002
        with self._lock:
            self._flush(site)

    def muted(self, site: str) -> None:
        with self._lock:
            self._flush(site)

    def _cutter(self, site: str) -> Cutter | None:
        """Return the cutter of a source, or None while recording is off."""
        if self._options is None or site not in self._rates:
            return None
        if site not in self._cutters:
            rate = self._rates[site]
            before, after = round(self._options.before * rate), round(self._options.after * rate)
            self._cutters[site] = Cutter(before=before, after=after, rate=rate)
        return self._cutters[site]

    def _request(
        self, site: str, start: float, end: float,
        *, keyword: str, score: float, time: datetime, reason: str | None = None,
    ) -> None:  # fmt: skip
        """Record from ``start`` to ``end``, in seconds since the source was opened."""
        with self._lock:
            if cutter := self._cutter(site):
                rate = self._rates[site]
                request = ClipRequest(
                    start=round(start * rate), end=round(end * rate),
                    keyword=keyword, score=score, site=site, time=time, reason=reason,
                )  # fmt: skip
                self._record(site, cutter.request(request))

    def _flush(self, site: str) -> None:
        """Record open clips as far as they go, and forget the sound."""
        if cutter := self._cutters.pop(site, None):
            self._record(site, cutter.flush())

    def _record(self, site: str, clips: list[RecordedClip]) -> None:
        for clip in clips:
            if self._recorder:
                self._recorder.put((clip, self._rates[site]))
