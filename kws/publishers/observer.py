"""Observers: parts that follow what the service does without being needed by it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from kws.decision import NearMiss
from kws.pipeline.pipeline import Scored
from kws.publishers.health import HealthReport
from kws.types import AudioBlock, Detection

_log = logging.getLogger(__name__)


class Observer:
    """Receives the events of a service. Each method does nothing until a subclass overrides it.

    Events of a source come in the thread that listens to it, so no method may wait: hand slow work to another thread.
    An exception is logged and goes no further. ``site`` is the source's name in every topic.
    """

    def ready(self) -> None:
        """The model is loaded, and sound from at least one source was scored, or listening is switched off; once."""

    def started(self, site: str) -> None:
        """The source's place is in force, and what it replaces has ended."""

    def opened(self, site: str, name: str, rate: int) -> None:
        """The source was opened, or got another site: its name, and its rate in hertz."""

    def sound(self, site: str, block: AudioBlock) -> None:
        """A block of sound that is listened to, at the source's rate."""

    def window(self, site: str, scored: Scored) -> None:
        """A window was scored, whatever it holds."""

    def scored(self, site: str, scored: Scored) -> None:
        """A window was scored: real sound, neither padding nor a dead microphone's zeros."""

    def detected(self, site: str, detection: Detection) -> None:
        """A keyword was detected; the publishers have it already."""

    def near_miss(self, site: str, miss: NearMiss, sample_rate: int) -> None:
        """A keyword nearly fired. Its position is at ``sample_rate``, the model's."""

    def gate(self, site: str, wake_word: str | None) -> None:
        """A wake word opened the gate, or None: it is closed. Told at the start if there is a gate, and at changes."""

    def lost(self, site: str, reason: str) -> None:
        """No sound is scored from now on, and why; once for as long as that lasts."""

    def recovered(self, site: str) -> None:
        """Sound is scored, for the first time or again."""

    def available(self, site: str, *, available: bool) -> None:
        """True if a keyword said now would be detected, or listening is switched off; told at each change."""

    def listening(self, site: str, *, on: bool) -> None:
        """Listening is switched on or off; told at the start and after each request."""

    def muted(self, site: str) -> None:
        """Called each second while listening is switched off."""

    def threshold(self, site: str, keyword: str, threshold: float) -> None:
        """A keyword's threshold; told at the start and at each change."""

    def keyword(self, site: str, keyword: str, *, on: bool) -> None:
        """A keyword is switched on or off; told at the start and after each request."""

    def health(self, site: str, report: HealthReport) -> None:
        """The health of the source, at each change and each minute."""

    def reloading(self) -> None:
        """The service reads its configuration again."""

    def reloaded(self, problem: str | None) -> None:
        """The new configuration is in force; or the old one still, and what is wrong with the new one."""

    def stopping(self) -> None:
        """The service begins to stop."""


class Observers(Observer):
    """Several observers, called in order; one that fails keeps nothing from the others."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._tell(observers)

    def _tell(self, observers: Iterable[Observer]) -> None:
        """Tell these observers from now on, each the events that it has a method for: some come with every window."""
        every = tuple(observers)
        self._told = {
            name: tuple(getattr(observer, name) for observer in every if _overrides(observer, name)) for name in _EVENTS
        }


_EVENTS = tuple(name for name in vars(Observer) if not name.startswith("_"))


def _overrides(observer: Observer, name: str) -> bool:
    return getattr(getattr(observer, name), "__func__", None) is not getattr(Observer, name)


def _to_all(name: str) -> Callable[..., None]:
    def tell(self: Observers, *arguments: object, **named: object) -> None:
        for event in self._told[name]:
            try:
                event(*arguments, **named)
            except Exception:  # noqa: BLE001
                _log.exception("%s failed on %r", type(event.__self__).__name__, name)

    return tell


for _name in _EVENTS:
    setattr(Observers, _name, _to_all(_name))
