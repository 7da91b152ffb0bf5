"""The live page: what a service hears and decides, for people with a browser.

The page is one file of HTML without parts from elsewhere. It gets what happens as server-sent events, and sends
requests as MQTT's topics have them. While no page is open, nothing is computed.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kws import __version__
from kws.common.addresses import http_url
from kws.common.sockets import listen
from kws.pipeline.pipeline import Pipeline, Scored
from kws.pipeline.requests import Request
from kws.publishers.formats import as_dict, near_miss_fields
from kws.publishers.mqtt.control import ControlError, Requests
from kws.publishers.mqtt.topics import Topics
from kws.publishers.observer import Observer
from kws.servers.page import Page
from kws.servers.settings import MonitorOptions
from kws.servers.web import WebServer
from kws.types import AudioBlock, Detection

if TYPE_CHECKING:
    from kws.decision import NearMiss

_log = logging.getLogger(__name__)

#: Detections and near misses that a page shows when it is opened.
_HISTORY = 50

#: The most pages at once.
_MOST_PAGES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One source of the service, as it is now.

    Attributes:
        site: its name.
        pipeline: that hears it.
        source: the name of the open source; None without one.
        rate: of the open source, in hertz.
        listening: False while it is switched off.
        trouble: why no sound is scored although it should be; None without trouble.
        obey: hands a request to the source, from any thread.
    """

    site: str
    pipeline: Pipeline
    source: str | None
    rate: int
    listening: bool
    trouble: str | None
    obey: Callable[[Request], None]


class Monitor(Observer):
    """Serves the live page until it is closed.

    Args:
        options: the address.
        watched: returns the sources.
        token: that a browser must show; None where only this machine reaches the address.
        clip: returns the file of a detection's recording, which need not exist; None if clips are not kept.

    Raises:
        OptionError, KwsError: the address is wrong or not available.

    Attributes:
        url: of the page, with the token.
        pages: that are open.
    """

    def __init__(
        self,
        options: MonitorOptions,
        watched: Callable[[], Sequence[Watched]],
        *,
        token: str | None = None,
        clip: Callable[[str, Detection], Path] | None = None,
    ) -> None:
        self._watched = watched
        self._clip = clip
        self._lock = threading.Lock()  # of the next three
        self.pages: tuple[Page, ...] = ()
        self._history: deque[dict[str, Any]] = deque(maxlen=_HISTORY)
        self._detections: dict[int, tuple[str, Detection]] = {}  # the newest, by number
        self._gates: dict[str, str | None] = {}
        self._count = 0
        host = options.address
        self._web = WebServer(self, listen(host, options.port, table="monitor"), token)
        self.url = http_url(host, self._web.server_port, f"/?token={token}" if token else "/")
        _log.info("the live page is at %s", self.url)

    def close(self, *, wait: bool = True) -> None:
        """End all pages and stop serving; waiting for that takes up to half a second."""
        for page in self.pages:
            page.end()
        self._web.end(wait=wait)

    # Events of the service, in its threads: with no page open, each costs next to nothing.

    def sound(self, site: str, block: AudioBlock) -> None:
        self._tell(site, block)

    def window(self, site: str, scored: Scored) -> None:
        self._tell(site, scored)

    def detected(self, site: str, detection: Detection) -> None:
        with self._lock:
            self._count += 1
            self._detections[self._count] = site, detection
            self._detections.pop(self._count - _HISTORY, None)
        self._note(site, {"t": "detection", "id": self._count, "clip": bool(self._clip), **as_dict(detection)})

    def near_miss(self, site: str, miss: NearMiss, sample_rate: int) -> None:
        self._note(site, {"t": "near", **near_miss_fields(miss, sample_rate)})

    def gate(self, site: str, wake_word: str | None) -> None:
        self._gates[site] = wake_word

    def _note(self, site: str, event: dict[str, Any]) -> None:
        event["site"] = site
        with self._lock:
            self._history.append(event)
        self._tell(site, event)

    def _tell(self, site: str, event: object) -> None:
        for page in self.pages:
            page.put(site, event)

    # For the web server, in its threads.

    def open_page(self) -> Page | None:
        """Return a new page; None if there are too many."""
        with self._lock:
            if len(self.pages) >= _MOST_PAGES:
                return None
            page = Page(self._watched, self.state, self._history)
            self.pages += (page,)
        return page

    def close_page(self, page: Page) -> None:
        with self._lock:
            self.pages = tuple(one for one in self.pages if one is not page)

    def state(self) -> dict[str, Any]:
        """Return all that a page shows besides sound and events."""
        return {"t": "state", "version": __version__, "sites": [self._site(one) for one in self._watched()]}

    def _site(self, one: Watched) -> dict[str, Any]:
        settings = one.pipeline.settings
        word = self._gates.get(one.site)
        return {
            "site": one.site,
            "model": one.pipeline.model.name,
            "source": one.source,
            "listening": one.listening,
            "trouble": one.trouble,
            "gate": (f"open: {word}" if word else "closed") if settings.gate else None,
            "keywords": [
                {"name": name, "threshold": its.threshold, "on": name not in settings.off}
                for name, its in settings.keywords.items()
            ],
        }

    def obey(self, site: str, path: str, payload: bytes) -> None:
        """Obey a request as MQTT has it: ``threshold/on`` and ``0.6``, ``keyword/on`` and ``OFF``, ``listening``.

        Raises:
            ControlError: there is no such site or setting, or the payload is not a value of it.
        """
        one = next((one for one in self._watched() if one.site == site), None)
        if one is None:
            raise ControlError("there is no such site")
        topics = Topics("kws", "page")
        requests = Requests(topics, one.pipeline.settings.keywords, None)
        if request := requests.read(topics.set(path), payload, retained=False):
            one.obey(request)

    def recording(self, number: int) -> bytes | None:
        """Return the recording of a detection by its number; None if it was not kept or is not complete yet."""
        with self._lock:
            found = self._detections.get(number)
        try:
            return self._clip(*found).read_bytes() if self._clip and found else None
        except OSError:
            return None
