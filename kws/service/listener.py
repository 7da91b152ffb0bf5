"""One source of the service: heard in a thread of its own, opened again when it fails, and honest about it.

Nothing else touches the decisions: requests are taken, and a new configuration is, between two blocks of sound.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty
from typing import TYPE_CHECKING

from kws.audio.portaudio.devices import AbsentError
from kws.common.backoff import Backoff
from kws.errors import AudioError, UsageError
from kws.pipeline.requests import Request, SetListening, SetThreshold
from kws.service.counters import Counters
from kws.service.hearing import Hearing
from kws.service.liveness import Liveness
from kws.service.observer import Observer
from kws.service.setup import Setup
from kws.service.tap import BrokenOff, Tap
from kws.types import AudioBlock, Detection

if TYPE_CHECKING:
    from kws.audio.source import Source
    from kws.decision import Decision, Fired
    from kws.pipeline.pipeline import Scored

_log = logging.getLogger(__name__)

#: Seconds of sound that a new configuration hears once more, so that no word falls between it and the old one.
_MEMORY = 1.5

#: Seconds before the first attempt to open a source again, and how long it has to be heard for the next to be a first.
_FIRST_RETRY, _GOOD = 0.25, 10.0

#: Seconds from one complaint that the network is behind to the next.
_TELL_SECONDS = 60.0

#: Seconds beyond those after which a source itself says so that nothing may be scored.
_STALL_GRACE = 1.0


class Listener:
    """Hears one source until it ends or :meth:`stop` is called.

    Args:
        make_source: a source to be opened; called anew each time that it is.
        setup: see there.
        reopens: whether the source is a microphone: it is closed where nobody is to listen, so that it can be seen to
            be off, and opened again when it fails. A pipe cannot be; its sound is passed over where nobody listens.
        observer: is told what happens.
        on_news: called, in any thread, when something has changed that the service should look at.

    Attributes:
        hearing: whether it is heard.
        counters: what it came to.
        last: the last detection.
        failure: what ended it, if that was no wish.
    """

    def __init__(
        self,
        make_source: Callable[[], Source],
        setup: Setup,
        *,
        reopens: bool = True,
        observer: Observer | None = None,
        on_news: Callable[[], None] = lambda: None,
    ) -> None:
        self._make_source = make_source
        self._setup = setup
        self._next: Setup | None = None
        self._reopens = reopens
        self._observer = observer or Observer()
        self._on_news = on_news
        self.hearing = Hearing(self._observer, on_news)
        self.counters = Counters()
        self.last: Detection | None = None
        self.failure: Exception | None = None
        self._chosen: Source | None = None  # to be opened, or open
        self._source: Source | None = None  # open
        self._told: dict[str, int] = {}  # the end of each keyword's last detection of this opening
        self._tell_drops_at = 0.0
        self._overlap = 0  # up to where a pipeline that took over may hear what the one before had told
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"listen to {setup.site}", daemon=True)
        self._prepare()

    @property
    def setup(self) -> Setup:
        """What is in force, or will be before the next block."""
        return self._next or self._setup

    @property
    def source(self) -> str | None:
        """The name of what is open."""
        source = self._source
        return source.name if source else None

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Begin the end; from any thread or signal handler."""
        self._stopping = True
        self._setup.inbox.put(None)
        self._interrupt()

    def join(self, timeout: float) -> None:
        """Wait for the end; a source that hangs is left behind, as is a pipe into which nobody writes."""
        self._thread.join(max(0.0, timeout))
        if self._thread.is_alive():
            level = logging.WARNING if self._reopens else logging.DEBUG
            _log.log(level, "%sthe source does not come back; it is left behind", self._setup.label)

    def take_over(self, setup: Setup, *, timeout: float = 2.0) -> None:
        """Have the sound heard by another setup, from the next block on and a little before; waits for that."""
        self._next = setup
        self._setup.inbox.put(None)
        end = time.monotonic() + timeout
        while self._next is not None and self.running and time.monotonic() < end:
            time.sleep(0.01)

    def look(self) -> None:
        """Notice what the listening thread cannot; to be called every second or so."""
        if self.running:
            self.hearing.look(self._setup.watch.stall + _STALL_GRACE)

    def _interrupt(self) -> None:
        """End what is waited for, where that can be."""
        if self._chosen:
            self._chosen.interrupt()

    # The listening thread.

    def _run(self) -> None:
        try:
            while not self._stopping:
                self._switch()
                if self.hearing.wanted or not self._reopens:
                    if self._hear():
                        return
                else:
                    self._wait(1.0)
        except Exception as error:  # noqa: BLE001 - raised again where somebody sees it
            self.failure = error
        finally:
            self._interrupt()
            self._on_news()

    def _hear(self) -> bool:
        """Open the source and listen; whether it has come to its end, and not only to a pause."""
        try:
            self._chosen = self._make_source()
            if self._stopping:
                return True
            with self._chosen as source:
                self._source = source
                try:
                    return self._follow(source)
                except Exception as error:
                    self._lose(error)  # before it is closed, which may take its time
                    raise
                finally:
                    self._source = None
                    self._on_news()
        except Exception as error:
            if self._stopping:
                return True
            if not self._reopens or self._is_hopeless(error):
                raise
            self._lose(error)
        self._wait(self._backoff.wait())
        return False

    def _lose(self, error: Exception) -> None:
        """The source has failed: tell why, unless it is about to end."""
        if self._stopping or not self._reopens:
            return
        if self.hearing.trouble is None:
            if not isinstance(error, AudioError | UsageError):
                # A defect of ours or of a library; the next attempt may fare better, none never does.
                _log.error("%slistening failed", self._setup.label, exc_info=error)
            if self.hearing.seconds > _GOOD:
                self._backoff.reset()
        self.hearing.lose(str(error) or repr(error))

    def _is_hopeless(self, error: Exception) -> bool:
        """Whether only another configuration can mend it: not, where it once went well."""
        return isinstance(error, UsageError) and not isinstance(error, AbsentError) and not self.counters.windows

    def _follow(self, source: Source) -> bool:
        """Hear an open source, by one pipeline after the other; whether it has ended."""
        if self.counters.windows and self.hearing.trouble is not None:
            self.counters.reconnects += 1
        before = (self.counters.overruns, self.counters.drops)
        self._liveness.opened()
        self._told.clear()
        self._overlap = 0
        self.hearing.opened()
        site = self._setup.site
        self._observer.opened(site, source.name, source.rate)
        self._on_news()
        tap = Tap(source, self.counters, self._let_through, memory=_MEMORY)
        while True:
            last = None
            try:
                for scored, decision in self._setup.pipeline.run(tap):
                    if scored is not last:  # the last comes twice
                        self._take(scored, source)
                        self._add_losses(source, *before)
                        last = scored
                    self._tell(decision)
            except BrokenOff:
                if not self._switch():
                    return self._stopping
                if self._setup.site != site:
                    site = self._setup.site
                    self._observer.opened(site, source.name, source.rate)
                front_end = self._setup.pipeline.model.front_end
                self._overlap = tap.end * front_end.sample_rate // tap.rate + front_end.window
            else:
                return True

    def _let_through(self, block: AudioBlock) -> bool:
        """Before each block: obey what was asked for; whether the block is heard."""
        with suppress(Empty):
            while True:
                self._obey(self._setup.inbox.get_nowait())
        wanted = self.hearing.wanted
        if self._stopping or self._next is not None or (self._reopens and not wanted):
            raise BrokenOff
        source = self._source
        if not wanted or source is None:
            return False
        if problem := self._liveness.look(block, source.rate):
            raise AudioError(f"{source.name} {problem}")
        self._observer.sound(self._setup.site, block)
        return True

    def _wait(self, seconds: float) -> None:
        """Let time pass, and obey meanwhile; not longer than it takes to be wanted again."""
        end = time.monotonic() + seconds
        wanted = self.hearing.wanted
        while not self._stopping and self._next is None and self.hearing.wanted == wanted:
            try:
                self._obey(self._setup.inbox.get(timeout=max(0.0, end - time.monotonic())))
            except Empty:
                return

    def _switch(self) -> bool:
        """Put the next setup in force, if there is one."""
        setup = self._next
        if setup is None:
            return False
        old, self._setup = self._setup, setup
        self._prepare(old)
        self._next = None
        self._on_news()
        return True

    def _prepare(self, old: Setup | None = None) -> None:
        """What a new setup needs."""
        setup = self._setup
        if old is None or old.watch != setup.watch:
            self._liveness = Liveness(setup.watch.silence if self._reopens else 0)
            self._backoff = Backoff(first=min(_FIRST_RETRY, setup.watch.retry), limit=setup.watch.retry)
        self.hearing.show(setup.site, setup.mqtt, label=setup.label)
        if setup.mqtt:
            for keyword, settings in setup.pipeline.decider.settings.keywords.items():
                setup.mqtt.show_threshold(keyword, settings.threshold)

    def _obey(self, command: Request | None) -> None:
        match command:
            case SetListening(on):
                self.hearing.want(on=on)
            case SetThreshold(keyword, threshold):
                try:
                    self._setup.pipeline.decider.set_threshold(keyword, threshold)
                except UsageError as error:
                    _log.warning("%sthe threshold stays as it is: %s", self._setup.label, error)
                    return
                _log.info("%sthe threshold of %s is %g from now on", self._setup.label, keyword, threshold)
                if self._setup.mqtt:
                    self._setup.mqtt.show_threshold(keyword, threshold)

    def _take(self, scored: Scored, source: Source) -> None:
        self.counters.add(scored)
        # The silence before the first block is none of the source's, and that of a dead microphone is none at all.
        if scored.end > 0 and self.hearing.wanted and self._liveness.alive:
            self.hearing.scored(source.name, ", ".join(self._setup.pipeline.decider.settings.keywords))
            self._observer.scored(self._setup.site, scored)

    def _add_losses(self, source: Source, overruns: int, drops: int) -> None:
        self.counters.overruns = overruns + source.overruns
        drops += source.drops
        if drops > self.counters.drops and time.monotonic() >= self._tell_drops_at:
            self._tell_drops_at = time.monotonic() + _TELL_SECONDS
            _log.warning(
                "%sthe network is behind and the oldest sound was dropped, %d times since the service began",
                self._setup.label, drops,
            )  # fmt: skip
        self.counters.drops = drops

    def _tell(self, decision: Decision) -> None:
        if not self.hearing.wanted:
            return
        for fired in decision.fired:
            self._publish(fired)
        for miss in decision.near_misses:
            self.counters.near_misses += 1
            self._observer.near_miss(self._setup.site, miss, self._setup.pipeline.model.front_end.sample_rate)

    def _publish(self, fired: Fired) -> None:
        if fired.end <= self._overlap and fired.start < self._told.get(fired.keyword, 0):
            return  # the pipeline that was there before has told of this utterance
        self._told[fired.keyword] = fired.end
        setup = self._setup
        detection = setup.pipeline.detection(fired)
        setup.dispatcher.put(detection)
        _log.debug("%sheard %s (%.2f)", self._setup.label, detection.keyword, detection.score)
        self.counters.detections += 1
        self.last = detection
        self._observer.detected(setup.site, detection)
        self._on_news()
