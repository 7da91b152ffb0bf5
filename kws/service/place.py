"""One source of the service, and the parts that work on its sound."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

import msgspec

from kws.audio.source import Source
from kws.config.schema import WatchOptions
from kws.pipeline.pipeline import Pipeline
from kws.pipeline.requests import Request
from kws.publishers.mqtt.arbitration import Arbiter
from kws.publishers.observer import Observer
from kws.publishers.worker import PublisherWorker
from kws.types import Detection

#: Requests from other threads; None only wakes the listener.
Inbox: TypeAlias = SimpleQueue[Request | None]


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One source and what is done with its sound. A reload makes another place, whose source may stay open.

    Attributes:
        site: its name in every topic.
        make_source: returns a new source; called before each opening.
        pipeline: that decides; it is this place's alone, its model is shared.
        key: equal before and after a reload for a source that then stays open.
        reopens: True for a microphone: it is closed while listening is switched off, so that it can be seen to be off,
            and opened again when it fails. A pipe cannot be; its sound is dropped meanwhile.
        workers: of the publishers that get its detections.
        arbiter: decides first whether a louder microphone has the word; None if there is no other.
        observer: follows this source; it gets the whole state when the place comes into force.
        inbox: requests, from any thread.
        obey: puts a request there, and keeps it over restarts.
        requests: obeyed when the place comes into force: what was set before a restart.
        watch: when the source counts as dead.
        label: the beginning of log lines about it.
    """

    site: str
    make_source: Callable[[], Source]
    pipeline: Pipeline
    key: object = None
    reopens: bool = True
    workers: tuple[PublisherWorker, ...] = ()
    arbiter: Arbiter | None = None
    observer: Observer = msgspec.field(default_factory=Observer)
    inbox: Inbox = msgspec.field(default_factory=SimpleQueue)
    obey: Callable[[Request], None] = lambda _: None
    requests: tuple[Request, ...] = ()
    watch: WatchOptions = WatchOptions()
    label: str = ""

    def publish(self, detection: Detection) -> None:
        """Queue a detection for the publishers, now or when the arbiter says so; never waits."""
        if self.arbiter:
            self.arbiter.put(detection, self._queue)
        else:
            self._queue(detection)

    def _queue(self, detection: Detection) -> None:
        for worker in self.workers:
            worker.put(detection)
