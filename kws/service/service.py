"""The service: starts, watches, reloads and ends the listeners."""

from __future__ import annotations

import ctypes
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from kws import __version__
from kws.errors import KwsError, UsageError
from kws.publishers.health import HealthReport
from kws.publishers.mqtt.arbitration import Arbiter
from kws.publishers.observer import Observer
from kws.publishers.worker import MAX_AGE, PublisherWorker, close_all, total
from kws.service.listener import Listener
from kws.service.place import Place

_log = logging.getLogger(__name__)

#: Seconds between two health reports if nothing changes.
HEALTH_SECONDS = 60.0

#: Seconds between two checks for faults that raise no error.
_LOOK_SECONDS = 1.0

#: Seconds that listeners, arbiters, queued detections and publishers have to end: less than 2 together.
_END_SECONDS, _SETTLE_SECONDS, _WAIT_SECONDS, _CLOSE_SECONDS = 0.7, 0.25, 0.4, 0.6


class Service:
    """Listens to several sources until all have ended or :meth:`stop` is called.

    Args:
        places: the sources, and what is done with their sound; at least one.
        reload: reads the configuration again; None if it cannot be reloaded.
        observer: gets the events.
        drain_seconds: the time that detections have to be published when all sources have ended by themselves.
        health_seconds: see :data:`HEALTH_SECONDS`.

    Attributes:
        workers: of all publishers.
        begun: when it began, by :func:`time.monotonic`.
    """

    def __init__(
        self,
        places: Sequence[Place],
        *,
        reload: Callable[[], Sequence[Place]] | None = None,
        observer: Observer | None = None,
        drain_seconds: float = MAX_AGE,
        health_seconds: float = HEALTH_SECONDS,
    ) -> None:
        self._reload = reload
        self._observer = observer or Observer()
        self._drain_seconds = drain_seconds
        self._health_seconds = health_seconds
        self.begun = time.monotonic()
        self._changed = threading.Condition()  # its lock may be taken again by a signal handler
        self._news = False
        self._stopping = False
        self._reload_wanted = False
        self._ready = False
        self._reported: dict[Listener, tuple[tuple[object, ...], float]] = {}  # news, and when its health is due
        self._failures: list[Exception] = []
        self.workers, self._arbiters = _workers(places), _arbiters(places)
        self.listeners = tuple(map(self._listener, places))

    def run(self) -> None:
        """Listen and publish until the end.

        Raises:
            KwsError: a source cannot be opened and retrying cannot help, or the last one cannot be read any further.
        """
        self._start(self.listeners)
        try:
            while not self._stopping and self.listeners:
                if self._reload_wanted:
                    self._reload_wanted = False
                    self._reload_now()
                self._look()
                with self._changed:
                    # Looking may have found that the last source has ended.
                    self._changed.wait_for(lambda: self._news or self._stopping or not self.listeners, _LOOK_SECONDS)
                    self._news = False
        finally:
            self._end()
        if self._failures:
            raise self._failures[0]

    def stop(self) -> None:
        """End :meth:`run`; from any thread or signal handler."""
        self._stopping = True
        self._note()

    def reload(self) -> None:
        """Read the configuration again; from any thread or signal handler."""
        self._reload_wanted = True
        self._note()

    def health(self, listener: Listener) -> HealthReport:
        """Return a listener's health now; begins a new mean of its level."""
        counters, hearing = listener.counters, listener.hearing
        return HealthReport(
            listening=hearing.wanted,
            source=listener.source,
            trouble=hearing.trouble,
            level=counters.mean_level(),
            windows=counters.windows,
            dropped_samples=counters.lost_samples,
            gaps=counters.gaps,
            reconnects=counters.reconnects,
            counts=total(listener.place.workers),
            last_detection=hearing.last,
            uptime=time.monotonic() - self.begun,
            model=listener.place.pipeline.model.name,
            version=__version__,
        )

    def _note(self) -> None:
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def _listener(self, place: Place) -> Listener:
        return Listener(place, observer=self._observer, on_news=self._note)

    def _start(self, listeners: Iterable[Listener]) -> None:
        """Start these listeners; tell the observers of all that their places are in force."""
        for listener in self.listeners:
            listener.observer.started(listener.place.site)
        for listener in listeners:
            listener.start()

    def _look(self) -> None:
        """Check each listener: its health, whether it is stuck, whether it has ended."""
        for listener in self.listeners:
            if not listener.running:
                self._bury(listener)
                continue
            listener.look()
            if not listener.hearing.wanted:
                listener.observer.muted(listener.place.site)
            self._report_health(listener)
        if not self._ready and any(one.hearing.began or not one.hearing.wanted for one in self.listeners):
            self._ready = True
            self._observer.ready()

    def _report_health(self, listener: Listener) -> None:
        place, hearing = listener.place, listener.hearing
        counts = total(place.workers)
        news = (
            hearing.wanted, hearing.trouble, listener.source, hearing.last, listener.counters.gaps > 0,
            counts.dropped, counts.unconfirmed, id(place),
        )  # fmt: skip
        reported, due = self._reported.get(listener, ((), 0.0))
        if news != reported or time.monotonic() >= due:
            self._reported[listener] = news, time.monotonic() + self._health_seconds
            listener.observer.health(place.site, self.health(listener))

    def _forget(self, listener: Listener) -> None:
        self.listeners = tuple(other for other in self.listeners if other is not listener)
        self._reported.pop(listener, None)

    def _bury(self, listener: Listener) -> None:
        """Remove a listener that has ended; the others go on, unless its configuration is wrong."""
        self._forget(listener)
        failure, site = listener.failure, listener.place.site
        if failure is None:
            _log.debug("%s has ended", site)
        elif self.listeners and not isinstance(failure, UsageError):
            _log.error("%s: %s; the others go on", site, failure)
            self._failures.append(failure)
        else:
            self._failures.insert(0, failure)
            self._stopping = True
        if self.listeners:
            listener.observer.available(site, available=False)

    def _reload_now(self) -> None:
        if self._reload is None:
            _log.warning("there is no configuration to reload")
            return
        self._observer.reloading()
        problem = None
        try:
            places = self._reload()
        except KwsError as error:
            problem = str(error)
            _log.error("%s (the configuration stays as it was)", problem)
        except Exception as error:  # noqa: BLE001 - a defect of ours; what is in force goes on
            problem = repr(error)
            _log.exception("the configuration stays as it was")
        else:
            self._follow(places)
            _log.info("the configuration was reloaded")
        _give_back_memory()
        self._observer.reloaded(problem)

    def _follow(self, places: Sequence[Place]) -> None:
        """Put other places in force. Sources that are in both stay open, and so do their publishers."""
        gone = list(self.listeners)
        new = []
        for place in places:
            same = next((listener for listener in gone if listener.place.key == place.key), None)
            if same is None:
                new.append(place)
            else:
                gone.remove(same)
                same.take_over(place)
        for listener in gone:
            listener.stop()
        for listener in gone:
            listener.join(_END_SECONDS)
            self._forget(listener)
        arbiters, self._arbiters = self._arbiters, _arbiters(places)
        _settle(arbiters - self._arbiters, _SETTLE_SECONDS)
        before, self.workers = self.workers, _workers(places)
        retired = [worker for worker in before if worker not in self.workers]
        close_all(retired, timeout=_WAIT_SECONDS, grace=_CLOSE_SECONDS)
        added = tuple(map(self._listener, new))
        self.listeners += added
        self._start(added)

    def _end(self) -> None:
        self._observer.stopping()
        hurried = self._stopping
        for listener in self.listeners:
            listener.stop()
        end = time.monotonic() + _END_SECONDS
        for listener in self.listeners:
            listener.join(end - time.monotonic())
        _settle(self._arbiters, _SETTLE_SECONDS if hurried else self._drain_seconds)
        if hurried:
            close_all(self.workers, timeout=_WAIT_SECONDS, grace=_CLOSE_SECONDS)
        else:
            close_all(self.workers, timeout=self._drain_seconds)


def _workers(places: Iterable[Place]) -> tuple[PublisherWorker, ...]:
    """Return the workers of all places, each once: several places may share a publisher."""
    return tuple(dict.fromkeys(worker for place in places for worker in place.workers))


def _arbiters(places: Iterable[Place]) -> set[Arbiter]:
    return {place.arbiter for place in places if place.arbiter}


def _settle(arbiters: Iterable[Arbiter], seconds: float) -> None:
    """Have arbiters hand on their last detections within so many seconds, while the workers still take them."""
    end = time.monotonic() + seconds
    for arbiter in arbiters:
        arbiter.close(max(0.0, end - time.monotonic()))


def _give_back_memory() -> None:
    """Give free memory back to the system, if the C library can (glibc).

    Otherwise each new model fills only part of the holes that the old one left, and memory grows a little every time.
    Takes some tens of milliseconds.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
