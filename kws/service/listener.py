"""One source of the service, in a thread of its own: opened, listened to, and opened again when it fails.

Only this thread touches the decisions: it obeys requests, and takes over a new place, between two blocks of sound.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing
from queue import Empty

from kws.audio.source import Source
from kws.common.backoff import Backoff
from kws.errors import AbsentError, AudioError, UsageError
from kws.pipeline.requests import Request, SetKeyword, SetListening, SetThreshold
from kws.publishers.observer import Observer, Observers
from kws.service.hearing import Hearing
from kws.service.liveness import Liveness
from kws.service.place import Place
from kws.service.stream import Counters, SourceStream

_log = logging.getLogger(__name__)

#: Seconds before the first attempt to open a source again, and how long it must be heard for the next to be a first.
_FIRST_RETRY_SECONDS, _GOOD_SECONDS = 0.25, 10.0

#: Seconds beyond `stall` in which a microphone itself reports that it has stalled.
_STALL_GRACE_SECONDS = 1.0

#: Seconds between two looks at a source that is switched off.
_MUTED_SECONDS = 1.0


class Listener:
    """Listens to one source until it ends or :meth:`stop` is called.

    Args:
        place: the source and what is done with its sound.
        observer: gets the events, as that of the place does.
        on_news: called, in any thread, when something has changed that the service should look at.

    Attributes:
        observer: gets the events: the one given and that of the place.
        hearing: the state of the source.
        counters: its counts.
        failure: the error that ended the thread; None after a requested stop.
    """

    def __init__(
        self, place: Place, *, observer: Observer | None = None, on_news: Callable[[], None] = lambda: None
    ) -> None:
        self._place = place
        self._next: tuple[Place, threading.Event] | None = None  # to come into force, and set once it has
        self._outer = observer or Observer()
        self._on_news = on_news
        self.hearing = Hearing(on_news)
        self.counters = Counters()
        self.failure: Exception | None = None
        self._chosen: Source | None = None  # to be opened, or open
        self._source: Source | None = None  # open
        self._stalled = False  # nothing came for too long, and nothing since
        self._stopping = False
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=f"listen to {place.site}", daemon=True)
        self._follow(place)

    @property
    def place(self) -> Place:
        """The place in force, or the one that will be before the next block."""
        coming = self._next
        return coming[0] if coming else self._place

    @property
    def source(self) -> str | None:
        """The name of the open source."""
        source = self._source
        return source.name if source else None

    @property
    def rate(self) -> int:
        """The rate of the open source; 0 without one."""
        source = self._source
        return source.rate if source else 0

    @property
    def running(self) -> bool:
        return self._thread.is_alive() and not self._ended

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Begin to stop; from any thread or signal handler."""
        self._stopping = True
        self._place.inbox.put(None)
        self._interrupt()

    def join(self, timeout: float) -> None:
        """Wait for the end. A source that hangs is left behind, as is a pipe into which nothing is written."""
        self._thread.join(max(0.0, timeout))
        if self._thread.is_alive():
            level = logging.WARNING if self._place.reopens else logging.DEBUG
            _log.log(level, "%sthe source does not return; it is left behind", self._place.label)

    def take_over(self, place: Place, *, timeout: float = 2.0) -> None:
        """Put another place in force, from the next block on and a little before; wait until it is."""
        done = threading.Event()
        self._next = place, done
        self._place.inbox.put(None)
        if self.running:
            done.wait(timeout)

    def look(self) -> None:
        """Find faults that the listening thread cannot; to be called every second or so."""
        source = self._source
        if not self.running or (source and not source.live):
            return  # a file can only be slow
        if self._place.reopens:
            self.hearing.look(self._place.watch.stall + _STALL_GRACE_SECONDS)
        elif self.hearing.look(self._place.watch.stall):
            self._stalled = True

    def _interrupt(self) -> None:
        if self._chosen:
            self._chosen.interrupt()

    # The listening thread.

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._take_place()
                if self.hearing.wanted or not self._place.reopens:
                    if self._hear():
                        return
                else:
                    self._wait(_MUTED_SECONDS)
        except Exception as error:  # noqa: BLE001 - the service raises it
            self.failure = error
        finally:
            self._interrupt()
            if self._next:
                self._next[1].set()
            self._ended = True  # the service need not look again to see that the thread has ended
            self._on_news()

    def _hear(self) -> bool:
        """Open the source and listen; return True if that was the end, False to go on after a pause."""
        try:
            self._chosen = self._place.make_source()
            if self._stopping:
                return True
            with self._chosen as source:
                self._source = source
                try:
                    return self._listen(source)
                except Exception as error:
                    self._lose(error)  # before it is closed, which may take its time
                    raise
                finally:
                    self._source = None
                    self._on_news()
        except Exception as error:
            if self._stopping:
                return True
            if not self._place.reopens or self._is_hopeless(error):
                raise
            self._lose(error)
        self._wait(self._backoff.wait())
        return False

    def _lose(self, error: Exception) -> None:
        """The source has failed: say why, unless it is about to end."""
        if self._stopping or not self._place.reopens:
            return
        if self.hearing.trouble is None:
            if not isinstance(error, AudioError | UsageError):
                # A defect of ours or of a library. The next attempt may succeed.
                _log.error("%slistening failed", self._place.label, exc_info=error)
            if self.hearing.seconds > _GOOD_SECONDS:
                self._backoff.reset()
        self.hearing.lose(str(error) or repr(error))

    def _is_hopeless(self, error: Exception) -> bool:
        """Return True if retrying cannot help: the configuration is wrong and no sound was ever heard."""
        return isinstance(error, UsageError) and not isinstance(error, AbsentError) and not self.counters.windows

    def _listen(self, source: Source) -> bool:
        """Listen to an open source; return True when it or the service ends, False to close it for now."""
        if self.counters.windows and self.hearing.trouble is not None:
            self.counters.reconnects += 1
        self._liveness.opened()
        with closing(SourceStream(source, self._place, self._liveness, self.hearing, self.counters)) as stream:
            self._on_news()
            for block in source.blocks():
                stream.arrived(block)
                self._obey_all()
                if self._stopping:
                    return True
                if self._take_place():
                    stream.follow(self._place, self._liveness)
                if self._stalled:  # a pipe does not say how much sound is missing
                    self._stalled = False
                    stream.restart()
                if self.hearing.wanted:
                    if pause_seconds := stream.push(block):
                        self._obey_next(pause_seconds)
                elif self._place.reopens:
                    return False
            stream.finish()
            return True

    def _obey_all(self) -> None:
        """Obey all requests that wait."""
        while not self._place.inbox.empty():
            self._obey_next(0)

    def _obey_next(self, seconds: float) -> None:
        """Obey the next request, if there is one within so many seconds."""
        try:
            request = self._place.inbox.get(timeout=max(0.0, seconds))
        except Empty:
            return
        self._obey(request)

    def _obey(self, request: Request | None) -> None:
        match request:
            case SetListening(on):
                self.hearing.want(on=on)
            case SetThreshold() | SetKeyword():
                try:
                    self._set(request)
                except UsageError as error:
                    _log.warning("%snothing is changed: %s", self._place.label, error)

    def _set(self, request: SetThreshold | SetKeyword) -> None:
        """Change a keyword's threshold, or switch it on or off."""
        place, keyword = self._place, request.keyword
        if isinstance(request, SetThreshold):
            place.pipeline.set_threshold(keyword, request.threshold)
            _log.info("%sthe threshold of %s is %g from now on", place.label, keyword, request.threshold)
            self.observer.threshold(place.site, keyword, request.threshold)
        else:
            place.pipeline.set_keyword(keyword, on=request.on)
            _log.info("%s%s is switched %s", place.label, keyword, "on" if request.on else "off")
            self.observer.keyword(place.site, keyword, on=request.on)

    def _wait(self, seconds: float) -> None:
        """Wait, and obey requests meanwhile; not beyond a stop, a swap, or a change of what is wanted."""
        end = time.monotonic() + seconds
        wanted = self.hearing.wanted
        while not self._stopping and not self._next and self.hearing.wanted == wanted and time.monotonic() < end:
            self._obey_next(end - time.monotonic())

    def _take_place(self) -> bool:
        """Put the next place in force, if there is one."""
        coming = self._next
        if coming is None:
            return False
        old, (self._place, done) = self._place, coming
        self._follow(self._place, old)
        if self._next is coming:
            self._next = None
        done.set()
        self._on_news()
        return True

    def _follow(self, place: Place, old: Place | None = None) -> None:
        """Begin to work as a place says, and tell its observer how things stand."""
        if old is None or old.watch != place.watch:
            self._liveness = Liveness(place.watch.silence, trusted=not place.reopens)
            self._backoff = Backoff(first=min(_FIRST_RETRY_SECONDS, place.watch.retry), limit=place.watch.retry)
        self.observer = Observers((place.observer, self._outer))
        self.hearing.follow(place.site, place.label, self.observer)
        configured = place.pipeline.settings.listened
        for request in place.requests:
            self._obey(request)
        settings = place.pipeline.settings
        if settings.gate:
            self.observer.gate(place.site, None)
        for keyword in configured:
            self.observer.threshold(place.site, keyword, settings.keywords[keyword].threshold)
            self.observer.keyword(place.site, keyword, on=keyword in settings.listened)
