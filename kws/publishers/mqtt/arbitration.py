"""Arbitration: of several microphones that hear one word, only the loudest publishes it.

Each claims the word on a topic of their group and collects the claims of the others for a short time, the window. Then
the loudest takes the word, with a second message. The first that takes it has it: the broker sends all of them the same
messages in the same order, so they agree without comparing clocks. If the loudest has gone meanwhile, the next does.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Annotated

import msgspec

from kws.common.worker import Worker
from kws.types import Detection

_log = logging.getLogger(__name__)

#: Messages that are remembered, and words that wait, at most.
_LIMIT = 100

_Text = Annotated[str, msgspec.Meta(max_length=200)]


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A microphone has heard a word, or takes it.

    Attributes:
        instance, number: tell this word from all others: the publisher, and its count of words.
        site: of the microphone.
        keyword: the word.
        level: of the word's loudest hop, in decibels re full scale.
        taken: True if the word is taken.
    """

    instance: _Text
    number: Annotated[int, msgspec.Meta(ge=0)]
    site: _Text
    keyword: _Text
    level: Annotated[float, msgspec.Meta(ge=-1000, le=1000)]
    taken: bool = False

    @property
    def rank(self) -> tuple[float, str, int]:
        """The largest takes the word; no two claims have the same."""
        return self.level, self.instance, self.number


def read_claim(payload: bytes) -> Claim | None:
    """Return the claim of a message; None if it is malformed."""
    try:
        return msgspec.json.decode(payload, type=Claim)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


class Auction:
    """One word that we have heard, until it is settled who takes it. It reads no clock: times are given, in seconds.

    Args:
        mine: our claim.
        now: the time.
        window: seconds from the first claim in which a louder one may come.

    Attributes:
        mine: our claim.
        taker: the claim that takes the word; None before that is settled.
    """

    def __init__(self, mine: Claim, now: float, window: float) -> None:
        self.mine = self._loudest = mine
        self.taker: Claim | None = None
        self._begun = self._claimed = now
        self._window = window
        self._answered = False  # our claim has come back from the broker
        self._asked: float | None = None  # when we asked for the word

    @property
    def due(self) -> float | None:
        """The time of the next :meth:`step`; None when it is settled.

        A louder one has a window more than we have: it takes the word first, unless it has gone.
        """
        if self.taker:
            return None
        if self._asked is not None:
            return (self._asked if self._answered else self._claimed) + self._window
        return self._begun + self._window * (1 if self._loudest is self.mine else 2)

    def hear(self, claim: Claim, at: float) -> None:
        """Take the next message, in the broker's order. Those for other words have no effect."""
        ours = claim.instance == self.mine.instance
        if claim.keyword != self.mine.keyword or (ours and claim.number != self.mine.number):
            return
        if claim.taken:
            self.taker = self.taker or claim
        else:
            self._answered |= ours
            self._begun = min(self._begun, at)
            self._loudest = max(self._loudest, claim, key=lambda one: one.rank)

    def step(self, now: float) -> Claim | None:
        """Do what is due: return the message that takes the word; later None, as it is ours if no answer came."""
        if self._asked is None:
            self._asked = now
            return msgspec.structs.replace(self.mine, taken=True)
        self.taker = self.mine
        return None


class Arbiter:
    """Hands on the detections that no louder microphone of the group has; in doubt it hands them on.

    Args:
        name: begins log lines.
        site, instance: see :class:`Claim`.
        window: seconds in which a louder claim may come.
        send: publishes a claim without waiting; returns False without a connection.
    """

    def __init__(self, name: str, *, site: str, instance: str, window: float, send: Callable[[Claim], bool]) -> None:
        self._name = name
        self._site = site
        self._instance = instance
        self._window = window
        self._send = send
        self._numbers = itertools.count()
        self._changed = threading.Condition()  # its lock guards the next two
        self._heard: deque[tuple[Claim, float]] = deque(maxlen=_LIMIT)  # with the time of its arrival
        self._auctions: list[Auction] = []
        self._worker = Worker(f"{name}: arbitration", "detection", self._settle, limit=_LIMIT)

    def put(self, detection: Detection, deliver: Callable[[Detection], None]) -> None:
        """Deliver a detection, now or within three windows, unless another microphone takes the word; never waits."""
        level = round(detection.level, 1)
        mine = Claim(
            instance=self._instance, number=next(self._numbers), site=self._site, keyword=detection.keyword, level=level
        )
        with self._changed:
            now = time.monotonic()
            auction = Auction(mine, now, self._window)
            for claim, at in self._heard:
                if now - at < self._window:
                    auction.hear(claim, at)
            self._auctions.append(auction)
        self._worker.put((auction, lambda: deliver(detection), self._send(mine)))

    def hear(self, payload: bytes) -> None:
        """Take a message of the group; never waits. Malformed and repeated ones have no effect."""
        claim = read_claim(payload)
        with self._changed:
            if claim is None or any(claim == known for known, _ in self._heard):
                return
            now = time.monotonic()
            self._heard.append((claim, now))
            for auction in self._auctions:
                auction.hear(claim, now)
            self._changed.notify_all()

    def close(self, timeout: float) -> None:
        """Settle what waits, for so many seconds at most."""
        self._worker.close(timeout)

    def _settle(self, item: tuple[Auction, Callable[[], None], bool], _deadline: float) -> bool:
        auction, deliver, sent = item
        if sent:
            self._wait(auction)
        with self._changed:
            self._auctions.remove(auction)
        taker, mine = auction.taker or auction.mine, auction.mine
        if taker.instance == self._instance:
            deliver()
        else:
            _log.info(
                "%s: %s is left to %s, which heard it at %g dB, and %s at %g dB",
                self._name, mine.keyword, taker.site, taker.level, self._site, mine.level,
            )  # fmt: skip
        return True

    def _wait(self, auction: Auction) -> None:
        """Wait until it is settled who takes the word."""
        while True:
            with self._changed:
                while (due := auction.due) is not None and (left := due - time.monotonic()) > 0:
                    self._changed.wait(left)
                message = None if due is None else auction.step(time.monotonic())
            if due is None:
                return
            if message:
                self._send(message)
