"""The parts that work on the sound of one source."""

from __future__ import annotations

from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, TypeAlias

from kws.config.watch import WatchOptions
from kws.pipeline.requests import Request
from kws.publishers import Dispatcher
from kws.service.observer import Observer

if TYPE_CHECKING:
    from kws.pipeline.pipeline import Pipeline

#: Requests from other threads; None only wakes the listener.
Inbox: TypeAlias = SimpleQueue[Request | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The parts that work on the sound of one source; a reload replaces it while the source stays open.

    Attributes:
        site: its name in every topic.
        pipeline: that decides; it is this listener's alone, its model is shared.
        dispatcher: that publishes.
        observer: follows this source; it gets the whole state when the setup comes into force.
        inbox: requests, from any thread.
        requests: obeyed when the setup comes into force: what was set before a restart.
        watch: when the source counts as dead.
        label: the beginning of log lines about it.
    """

    site: str
    pipeline: Pipeline
    dispatcher: Dispatcher
    observer: Observer = field(default_factory=Observer)
    inbox: Inbox = field(default_factory=SimpleQueue)
    requests: tuple[Request, ...] = ()
    watch: WatchOptions = field(default_factory=WatchOptions)
    label: str = ""
