"""The state of one source: heard, lost or switched off. Changes go to the log and the observers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from kws.decision import DecisionSettings
from kws.publishers.observer import Observer
from kws.types import Detection

_log = logging.getLogger(__name__)

#: The trouble of a source that was just opened.
STARTING = "no sound yet"


class Hearing:
    """The state of one source. It reports each change once, however often the change is found.

    Args:
        on_news: called when something has changed.

    Attributes:
        site: the source's name in every topic.
        label: the beginning of log lines.
        observer: gets each change.
        trouble: why nothing is heard although it should be; None if all is well.
        began: whether anything was ever heard.
        wanted: whether listening is switched on; while it is off, there is no trouble.
        last: the last detection.
    """

    def __init__(self, on_news: Callable[[], None]) -> None:
        self._on_news = on_news
        self.observer = Observer()
        self.site = self.label = ""
        self.trouble: str | None = STARTING
        self.began = False
        self.wanted = True
        self.last: Detection | None = None
        self._lock = threading.RLock()
        self._since = time.monotonic()  # of the state
        self._scored_at = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the state last changed."""
        return time.monotonic() - self._since

    def follow(self, site: str, label: str, observer: Observer) -> None:
        """Use other names and another observer from now on, and report the state to it."""
        with self._lock:
            self.site, self.label, self.observer = site, label, observer
            observer.listening(site, on=self.wanted)
            observer.available(site, available=self.trouble is None)

    def want(self, *, on: bool) -> None:
        """Switch listening on or off."""
        with self._lock:
            if on != self.wanted:
                _log.info("%slistening is switched %s", self.label, "on" if on else "off")
                self.wanted = on
                self._scored_at = time.monotonic()
                # While muted there is no fault. A new one is found within `stall` seconds of unmuting.
                self.trouble = None
            self.observer.listening(self.site, on=on)
            self.observer.available(self.site, available=self.trouble is None)
        self._on_news()

    def opened(self) -> None:
        """The source was opened; it has `stall` seconds to deliver sound."""
        self._scored_at = time.monotonic()

    def scored(self, name: str, settings: DecisionSettings) -> None:
        """A window of real sound was scored.

        Args:
            name: of the source, for the log.
            settings: the keywords that are listened for, likewise.
        """
        now = self._scored_at = time.monotonic()
        if self.trouble is None and self.began:
            return
        with self._lock:
            if self.trouble == STARTING or not self.began:
                _log.info("%slistening to %s for %s", self.label, name, ", ".join(settings.listened))
            else:
                _log.info("%slistening to %s again, after %.0f s", self.label, name, now - self._since)
            self.trouble, self.began, self._since = None, True, now
            self.observer.available(self.site, available=True)
            self.observer.recovered(self.site)
        self._on_news()

    def detected(self, detection: Detection) -> None:
        """A keyword was detected and handed to the publishers."""
        self.last = detection
        self.observer.detected(self.site, detection)
        self._on_news()

    def lose(self, reason: str) -> None:
        """No sound is scored from now on."""
        with self._lock:
            known, self.trouble = self.trouble, reason
            if known in (None, STARTING):
                self._since = time.monotonic()
                _log.warning("%snothing is heard: %s", self.label, reason)
                self.observer.available(self.site, available=False)
                self.observer.lost(self.site, reason)
            elif known != reason:
                _log.debug("%s%s", self.label, reason)
        if known != reason:
            self._on_news()

    def look(self, limit_seconds: float) -> bool:
        """Find what the listening thread cannot: return True if no window was scored for longer than the limit."""
        with self._lock:
            silent = time.monotonic() - self._scored_at
            stalled = self.wanted and self.trouble is None and silent > limit_seconds
            if stalled:
                self.lose(f"no sound came for {silent:.0f} s")
        return stalled
