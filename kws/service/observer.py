"""Those who want to know what happens in the service, without being a part of it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kws.types import AudioBlock, Detection

if TYPE_CHECKING:
    from kws.decision import NearMiss
    from kws.pipeline.pipeline import Scored

_log = logging.getLogger(__name__)


class Observer:
    """Is told what happens; each method does nothing until somebody overrides it.

    What concerns one source is told in the thread that hears it, so nothing here may wait: whoever has to, hands over
    to a thread of its own. What is raised is logged and goes no further. ``site`` is the source's name in every topic.
    """

    def ready(self) -> None:
        """The model is loaded and sound from at least one source was scored; once."""

    def opened(self, site: str, name: str, rate: int) -> None:
        """A source is open, or has another site: what it is called, and its samples a second."""

    def sound(self, site: str, block: AudioBlock) -> None:
        """A block that is heard, at the source's rate."""

    def scored(self, site: str, scored: Scored) -> None:
        """A window of sound that can be believed was scored: neither a gap nor a dead microphone's zeros."""

    def detected(self, site: str, detection: Detection) -> None:
        """A keyword was said; its publishers have it already."""

    def near_miss(self, site: str, miss: NearMiss, sample_rate: int) -> None:
        """A keyword nearly fired; the position of the miss is at ``sample_rate``, the model's."""

    def deaf(self, site: str, reason: str) -> None:
        """Nothing is heard from now on, and why; not told again while that lasts."""

    def heard(self, site: str) -> None:
        """Sound is scored, for the first time or again."""

    def resting(self, site: str) -> None:
        """Told each second while listening is switched off: deaf because somebody wants it so."""

    def reloading(self) -> None:
        """The configuration is read anew."""

    def reloaded(self, problem: str | None) -> None:
        """That is over: the new configuration is in force, or the old one still, and what is wrong with the new."""

    def stopping(self) -> None:
        """The service begins its end."""


class Observers(Observer):
    """Several, told in order; one that fails keeps nothing from the others."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self._observers = tuple(observers)

    def _tell(self, what: str, *arguments: object) -> None:
        for observer in self._observers:
            try:
                getattr(observer, what)(*arguments)
            except Exception:  # noqa: BLE001
                _log.exception("%s failed on %r", type(observer).__name__, what)

    def ready(self) -> None:
        self._tell("ready")

    def opened(self, site: str, name: str, rate: int) -> None:
        self._tell("opened", site, name, rate)

    def sound(self, site: str, block: AudioBlock) -> None:
        self._tell("sound", site, block)

    def scored(self, site: str, scored: Scored) -> None:
        self._tell("scored", site, scored)

    def detected(self, site: str, detection: Detection) -> None:
        self._tell("detected", site, detection)

    def near_miss(self, site: str, miss: NearMiss, sample_rate: int) -> None:
        self._tell("near_miss", site, miss, sample_rate)

    def deaf(self, site: str, reason: str) -> None:
        self._tell("deaf", site, reason)

    def heard(self, site: str) -> None:
        self._tell("heard", site)

    def resting(self, site: str) -> None:
        self._tell("resting", site)

    def reloading(self) -> None:
        self._tell("reloading")

    def reloaded(self, problem: str | None) -> None:
        self._tell("reloaded", problem)

    def stopping(self) -> None:
        self._tell("stopping")
