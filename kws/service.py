"""The loop of ``kws run``: a source, the decisions on it, and the publishers, until somebody ends it.

Two threads: one listens, and takes requests between two blocks of sound, for nothing else may touch the decisions;
the one that called :meth:`Service.run` tells the health and waits for the end.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Self

from kws import __version__
from kws.errors import UsageError
from kws.publishers import Dispatcher
from kws.publishers.mqtt import Command, Health, MqttPublisher, SetListening, SetThreshold
from kws.values import AudioBlock, Detection

if TYPE_CHECKING:
    from kws.pipeline import Pipeline, Scored
    from kws.sources import Source

_log = logging.getLogger(__name__)

#: Seconds from one health to the next where nothing changes.
HEALTH_SECONDS = 60.0

#: Seconds after which troubles are looked for that nobody tells of.
_LOOK_SECONDS = 1.0

#: Seconds that the listening thread has to come to its end.
_END_SECONDS = 3.0

#: Requests from others that wait to be taken; None only wakes.
Inbox = SimpleQueue[Command | None]


class Service:
    """One source, heard until it ends or :meth:`stop` is called.

    Args:
        make_source: a source to be opened; called anew each time that listening begins.
        pipeline: that decides.
        dispatcher: that publishes.
        mqtt: that tells state and health too; None for nobody.
        inbox: requests, from any thread.
        closes: whether the source is closed where nobody is to listen. A microphone is, so that it can be seen to be
            off; a pipe cannot be opened again, and its sound is passed over instead.
        health_seconds: see :data:`HEALTH_SECONDS`.
    """

    def __init__(
        self,
        make_source: Callable[[], Source],
        pipeline: Pipeline,
        dispatcher: Dispatcher,
        *,
        mqtt: MqttPublisher | None = None,
        inbox: Inbox | None = None,
        closes: bool = True,
        health_seconds: float = HEALTH_SECONDS,
    ) -> None:
        self._make_source = make_source
        self._pipeline = pipeline
        self._dispatcher = dispatcher
        self._mqtt = mqtt
        self._inbox = inbox or SimpleQueue()
        self._closes = closes
        self._health_seconds = health_seconds
        self._begun = time.monotonic()
        self._changed = threading.Condition()
        self._listening = True
        self._stopping = False
        self._ended = False
        self._failure: BaseException | None = None
        self._source: Source | None = None
        self._windows = 0
        self._level = (0.0, 0)  # sum and number since the last health
        self._last: Detection | None = None

    def run(self) -> None:
        """Listen and publish until the end; then say goodbye.

        Raises:
            KwsError: the source cannot be opened, or cannot be read any further.
        """
        if self._mqtt:
            self._mqtt.show_listening(on=True)
            for keyword, settings in self._pipeline.decider.settings.keywords.items():
                self._mqtt.show_threshold(keyword, settings.threshold)
            self._mqtt.start()
        listener = threading.Thread(target=self._listen, name="listen", daemon=True)
        listener.start()
        try:
            self._watch()
        finally:
            self.stop()
            listener.join(_END_SECONDS)
            if listener.is_alive():
                _log.warning("the source does not come back; it is left behind")
            self._dispatcher.close()
        if self._failure:
            raise self._failure

    def stop(self) -> None:
        """Have :meth:`run` come to its end; from any thread or signal handler."""
        self._stopping = True
        self._inbox.put(None)
        self._note()

    def health(self) -> Health:
        """How the service is now; begins a new mean of the level."""
        with self._changed:
            (total, count), self._level = self._level, (0.0, 0)
            return Health(
                listening=self._listening,
                source=self._source.name if self._source else None,
                level=total / count if count else None,
                windows=self._windows,
                dropped_samples=getattr(self._source, "lost", 0),
                counts=self._dispatcher.counts,
                last_detection=self._last,
                uptime=time.monotonic() - self._begun,
                model=self._pipeline.model.name,
                version=__version__,
            )

    def _watch(self) -> None:
        """Tell the health each minute, and at once where there is news, until the end."""
        told: tuple[object, ...] | None = None
        due = time.monotonic()
        while not self._stopping and not self._ended:
            if self._mqtt and (time.monotonic() >= due or self._news() != told):
                told = self._news()
                self._mqtt.show_health(self.health())
                due = time.monotonic() + self._health_seconds
            with self._changed:
                self._changed.wait_for(
                    lambda: self._stopping or self._ended or self._news() != told,  # noqa: B023 - called here
                    min(max(0.0, due - time.monotonic()), _LOOK_SECONDS),
                )

    def _news(self) -> tuple[object, ...]:
        """What is told at once when it changes; the rest can wait for its minute."""
        counts = self._dispatcher.counts
        lost = getattr(self._source, "lost", 0) > 0
        others = self._mqtt.others if self._mqtt else ()
        return (self._listening, self._source, self._last, counts.dropped, counts.unconfirmed, lost, others)

    def _note(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # The listening thread.

    def _listen(self) -> None:
        try:
            while not self._stopping:
                if self._listening or not self._closes:
                    self._hear()
                else:
                    self._obey(self._inbox.get())
        except BaseException as error:  # noqa: BLE001 - raised again where somebody sees it
            self._failure = error
        finally:
            self._ended = True
            self._note()

    def _hear(self) -> None:
        """Listen until the source ends, or is to be closed."""
        with self._make_source() as source:
            tap = _Tap(source, self._let_through)
            with self._changed:
                self._source = source
                self._changed.notify_all()
            _log.info("listening to %s for %s", source.name, ", ".join(self._pipeline.decider.settings.keywords))
            try:
                for scored, decision in self._pipeline.run(tap):
                    self._count(scored)
                    for fired in decision.fired if self._listening else ():
                        self._publish(self._pipeline.detection(fired))
            finally:
                with self._changed:
                    self._source = None
                    self._changed.notify_all()
        if tap.ended:
            self._stopping = True

    def _let_through(self) -> bool | None:
        """Between two blocks: obey what was asked for. Whether the next one counts; None to close the source."""
        with suppress(Empty):
            while True:
                self._obey(self._inbox.get_nowait())
        if self._stopping or (self._closes and not self._listening):
            return None
        return self._listening

    def _obey(self, command: Command | None) -> None:
        match command:
            case SetListening(on):
                if on != self._listening:
                    _log.info("listening is switched %s", "on" if on else "off")
                self._listening = on
                self._note()
                if self._mqtt:
                    self._mqtt.show_listening(on=on)
            case SetThreshold(keyword, threshold):
                try:
                    self._pipeline.decider.set_threshold(keyword, threshold)
                except UsageError as error:
                    _log.warning("the threshold stays as it is: %s", error)
                    return
                _log.info("the threshold of %s is %g from now on", keyword, threshold)
                if self._mqtt:
                    self._mqtt.show_threshold(keyword, threshold)

    def _count(self, scored: Scored) -> None:
        with self._changed:
            self._windows += 1
            total, count = self._level
            self._level = (total + scored.level, count + 1)

    def _publish(self, detection: Detection) -> None:
        self._dispatcher.put(detection)
        _log.debug("heard %s (%.2f)", detection.keyword, detection.score)
        with self._changed:
            self._last = detection
            self._changed.notify_all()


class _Tap:
    """A source whose blocks can be held back; what comes after them is then a new stretch, like after any gap.

    Attributes:
        ended: whether the source itself came to its end.
    """

    def __init__(self, source: Source, let_through: Callable[[], bool | None]) -> None:
        self._source = source
        self._let_through = let_through
        self.name, self.rate, self.live, self.length = source.name, source.rate, source.live, source.length
        self.ended = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The source is closed by whoever opened it."""

    def blocks(self) -> Iterator[AudioBlock]:
        for block in self._source.blocks():
            verdict = self._let_through()
            if verdict is None:
                return
            if verdict:
                yield block
        self.ended = True
