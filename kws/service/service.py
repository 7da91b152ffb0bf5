"""The service: starts, watches, reloads and ends the listeners."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kws import __version__
from kws.common.memory import give_back
from kws.errors import KwsError, UsageError
from kws.publishers import Dispatcher, PublisherWorker
from kws.publishers.dispatcher import MAX_AGE, Counts
from kws.publishers.health import HealthReport
from kws.service.listener import Listener
from kws.service.observer import Observer
from kws.service.setup import Setup

if TYPE_CHECKING:
    from kws.audio.source import Source

_log = logging.getLogger(__name__)

#: Seconds between two health reports if nothing changes.
HEALTH_SECONDS = 60.0

#: Seconds between two checks for faults that raise no error.
_LOOK_SECONDS = 1.0

#: Seconds that listeners, queued detections and publishers have to end: less than 2 together.
_END_SECONDS, _WAIT_SECONDS, _CLOSE_SECONDS = 0.7, 0.4, 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One source, and what is done with its sound.

    Attributes:
        key: equal before and after a reload for a source that then stays open.
        make_source: returns a source to be opened.
        reopens: whether it is a microphone, see :class:`Listener`.
        setup: what is done with its sound.
    """

    key: object
    make_source: Callable[[], Source]
    reopens: bool = True
    setup: Setup


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A configuration, as the parts of a service.

    Attributes:
        places: at least one.
        workers: all that the places use.
        retired: workers of the plan before that this one does not use.
        drain_seconds: the time that detections have to be published when all sources have ended by themselves.
    """

    places: Sequence[Place]
    workers: Sequence[PublisherWorker]
    retired: Sequence[PublisherWorker] = ()
    drain_seconds: float = MAX_AGE


class Service:
    """Listens to several sources until all have ended or :meth:`stop` is called.

    Args:
        plan: at the start.
        reload: reads the configuration again; None if it cannot be reloaded.
        observer: gets the events.
        health_seconds: see :data:`HEALTH_SECONDS`.

    Attributes:
        listeners: one for each source.
        begun: when it began, by :func:`time.monotonic`.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        reload: Callable[[], Plan] | None = None,
        observer: Observer | None = None,
        health_seconds: float = HEALTH_SECONDS,
    ) -> None:
        self._reload = reload
        self._observer = observer or Observer()
        self._health_seconds = health_seconds
        self.begun = time.monotonic()
        self._changed = threading.Condition()  # its lock may be taken again by a signal handler
        self._news = False
        self._stopping = False
        self._reload_wanted = False
        self._ready = False
        self._keys: dict[Listener, object] = {}
        self._reported: dict[Listener, tuple[tuple[object, ...], float]] = {}  # news, and when its health is due
        self._failures: list[Exception] = []
        self._workers = plan.workers
        self._drain_seconds = plan.drain_seconds
        self._add(plan.places)

    @property
    def listeners(self) -> tuple[Listener, ...]:
        return tuple(self._keys)

    @property
    def counts(self) -> Counts:
        """The numbers of detections that were published and dropped, of all publishers together."""
        return Dispatcher(self._workers).counts

    def run(self) -> None:
        """Listen and publish until the end.

        Raises:
            KwsError: a source cannot be opened and retrying cannot help, or the last one cannot be read any further.
        """
        for listener in self.listeners:
            self._begin(listener)
        try:
            while not self._stopping and self._keys:
                if self._reload_wanted:
                    self._reload_wanted = False
                    self._reload_now()
                self._look()
                with self._changed:
                    self._changed.wait_for(lambda: self._news, _LOOK_SECONDS)
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
        counters, setup = listener.counters, listener.setup
        return HealthReport(
            listening=listener.hearing.wanted,
            source=listener.source,
            trouble=listener.hearing.trouble,
            level=counters.mean_level(),
            windows=counters.windows,
            dropped_samples=counters.lost_samples,
            gaps=counters.gaps,
            reconnects=counters.reconnects,
            counts=setup.dispatcher.counts,
            last_detection=listener.hearing.last,
            uptime=time.monotonic() - self.begun,
            model=setup.pipeline.model.name,
            version=__version__,
        )

    def _note(self) -> None:
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def _add(self, places: Sequence[Place]) -> list[Listener]:
        added = []
        for place in places:
            listener = Listener(
                place.make_source,
                place.setup,
                reopens=place.reopens,
                observer=self._observer,
                on_news=self._note,
            )
            self._keys[listener] = place.key
            added.append(listener)
        return added

    def _begin(self, listener: Listener) -> None:
        listener.observer.started(listener.setup.site)
        listener.start()

    def _look(self) -> None:
        """Check each listener: its health, whether it is stuck, whether it has ended."""
        for listener in self.listeners:
            if not listener.running:
                self._bury(listener)
                continue
            listener.look()
            if not listener.hearing.wanted:
                listener.observer.muted(listener.setup.site)
            self._report_health(listener)
        if not self._ready and any(one.hearing.began or not one.hearing.wanted for one in self.listeners):
            self._ready = True
            self._observer.ready()

    def _report_health(self, listener: Listener) -> None:
        setup, hearing, counts = listener.setup, listener.hearing, listener.setup.dispatcher.counts
        news = (
            hearing.wanted, hearing.trouble, listener.source, listener.hearing.last, listener.counters.gaps > 0,
            counts.dropped, counts.unconfirmed, id(setup),
        )  # fmt: skip
        reported, due = self._reported.get(listener, ((), 0.0))
        if news != reported or time.monotonic() >= due:
            self._reported[listener] = news, time.monotonic() + self._health_seconds
            listener.observer.health(setup.site, self.health(listener))

    def _bury(self, listener: Listener) -> None:
        """Remove a listener that has ended; the others go on, unless its configuration is wrong."""
        del self._keys[listener]
        self._reported.pop(listener, None)
        failure = listener.failure
        if failure is None:
            _log.debug("%s has ended", listener.setup.site)
        elif self._keys and not isinstance(failure, UsageError):
            _log.error("%s: %s; the others go on", listener.setup.site, failure)
            self._failures.append(failure)
        else:
            self._failures.insert(0, failure)
            self._stopping = True
        if self._keys:
            listener.observer.available(listener.setup.site, available=False)

    def _reload_now(self) -> None:
        if self._reload is None:
            _log.warning("there is no configuration to reload")
            return
        self._observer.reloading()
        problem = None
        try:
            plan = self._reload()
        except KwsError as error:
            problem = str(error)
            _log.error("%s (the configuration stays as it was)", problem)
        except Exception as error:  # noqa: BLE001 - a defect of ours; what is in force goes on
            problem = repr(error)
            _log.exception("the configuration stays as it was")
        else:
            self._follow(plan)
            _log.info("the configuration was reloaded")
        give_back()
        self._observer.reloaded(problem)

    def _follow(self, plan: Plan) -> None:
        """Put a plan in force; sources that are in both plans stay open."""
        rest = dict(self._keys)
        new = []
        for place in plan.places:
            same = next((listener for listener, key in rest.items() if key == place.key), None)
            if same is None:
                new.append(place)
            else:
                del rest[same]
                same.take_over(place.setup)
        for listener in rest:
            listener.stop()
        for listener in rest:
            listener.join(_END_SECONDS)
            del self._keys[listener]
            self._reported.pop(listener, None)
        self._workers = plan.workers
        Dispatcher(plan.retired).close(timeout=_WAIT_SECONDS, grace=_CLOSE_SECONDS)
        added = self._add(new)
        for listener in self.listeners:
            if listener in added:
                self._begin(listener)
            else:
                listener.observer.started(listener.setup.site)

    def _end(self) -> None:
        self._observer.stopping()
        hurried = self._stopping
        listeners = self.listeners
        for listener in listeners:
            listener.stop()
        end = time.monotonic() + _END_SECONDS
        for listener in listeners:
            listener.join(end - time.monotonic())
        everything = Dispatcher(self._workers)
        if hurried:
            everything.close(timeout=_WAIT_SECONDS, grace=_CLOSE_SECONDS)
        else:
            everything.close(timeout=self._drain_seconds)
