"""Whether a source is heard, and everybody told so: the log, the status topic, the observers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from kws.publishers.mqtt import MqttPublisher
from kws.service.observer import Observer

_log = logging.getLogger(__name__)

#: The trouble of a source from which nothing was heard yet, for no reason that is known.
STARTING = "no sound yet"


class Hearing:
    """The truth about one source. A change of it is told once, whatever else is found out while it lasts.

    Args:
        observer: is told.
        on_news: called when something has changed.

    Attributes:
        site: its name in every topic.
        label: what lines of the log begin with.
        mqtt: whose status topic is kept; None for none.
        trouble: why nothing is heard although it should be; None where all is well.
        began: whether anything was ever heard.
        wanted: whether anybody is to listen; it is no trouble then that nothing is heard.
    """

    def __init__(self, observer: Observer, on_news: Callable[[], None]) -> None:
        self._observer = observer
        self._on_news = on_news
        self.site = self.label = ""
        self.mqtt: MqttPublisher | None = None
        self.trouble: str | None = STARTING
        self.began = False
        self.wanted = True
        self._lock = threading.RLock()
        self._since = time.monotonic()  # that it is as it is
        self._scored_at = time.monotonic()

    @property
    def seconds(self) -> float:
        """For how long it has been as it is."""
        return time.monotonic() - self._since

    def show(self, site: str, mqtt: MqttPublisher | None, *, label: str) -> None:
        """Tell whoever is there from now on how things are."""
        with self._lock:
            self.site, self.mqtt, self.label = site, mqtt, label
            if mqtt:
                mqtt.show_listening(on=self.wanted)
                mqtt.show_available(available=self.trouble is None)

    def want(self, *, on: bool) -> None:
        """Somebody wants it heard, or not."""
        with self._lock:
            if on != self.wanted:
                _log.info("%slistening is switched %s", self.label, "on" if on else "off")
                self.wanted = on
                self._scored_at = time.monotonic()
                self.trouble = None  # not to be heard is none, and whether there is one is seen in time
            if self.mqtt:
                self.mqtt.show_listening(on=on)
                self.mqtt.show_available(available=self.trouble is None)
        self._on_news()

    def opened(self) -> None:
        """The source is open, and has time to say something."""
        self._scored_at = time.monotonic()

    def scored(self, name: str, keywords: str) -> None:
        """Sound was scored that can be believed.

        Args:
            name: of what is heard, for the log.
            keywords: that are listened for.
        """
        with self._lock:
            now = self._scored_at = time.monotonic()
            if self.trouble is None and self.began:
                return
            if self.trouble == STARTING or not self.began:
                _log.info("%slistening to %s for %s", self.label, name, keywords)
            else:
                _log.info("%slistening to %s again, after %.0f s", self.label, name, now - self._since)
            self.trouble, self.began, self._since = None, True, now
            if self.mqtt:
                self.mqtt.show_available(available=True)
        self._observer.heard(self.site)
        self._on_news()

    def lose(self, reason: str) -> None:
        """Nothing is heard from now on."""
        with self._lock:
            known, self.trouble = self.trouble, reason
            if known in (None, STARTING):
                self._since = time.monotonic()
                _log.warning("%snothing is heard: %s", self.label, reason)
                if self.mqtt:
                    self.mqtt.show_available(available=False)
            elif known != reason:
                _log.debug("%s%s", self.label, reason)
        if known in (None, STARTING):
            self._observer.deaf(self.site, reason)
        if known != reason:
            self._on_news()

    def look(self, limit: float) -> None:
        """Notice what the listening thread cannot: that it does not get on, for more than ``limit`` seconds."""
        with self._lock:
            silent = time.monotonic() - self._scored_at
            if self.wanted and self.trouble is None and silent > limit:
                self.lose(f"nothing was heard for {silent:.0f} s")
