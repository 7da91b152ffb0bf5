"""Arbitration: of microphones that hear one word, exactly one publishes it."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kws.publishers.mqtt.arbitration import Arbiter, Auction, Claim, read_claim
from kws.publishers.worker import Counts
from kws.types import Detection
from tests.support.broker import Broker, Subscriber
from tests.support.mqtt_publisher import Running, running
from tests.support.publishers import detection, past
from tests.support.waiting import wait_until

WINDOW = 1.0
TOPIC = "kws/hall/claim"


def claim(instance: str = "b", level: float = -20.0, *, number: int = 0, taken: bool = False) -> Claim:
    return Claim(instance=instance, number=number, site=f"site {instance}", keyword="on", level=level, taken=taken)


# The rules, on a simulated clock.


@dataclass
class Member:
    """A microphone: when and how loud it hears the word, and the delays of its messages to and from the broker."""

    at: float
    level: float
    there: float
    back: float


def settle(members: list[Member]) -> list[tuple[int, float]]:
    """Let the members claim one word; return those that take it, and when each knows it."""
    takers: dict[int, float] = {}
    order = itertools.count()
    events: list[tuple[float, int, Callable[[float], None]]] = []
    auctions: dict[int, Auction] = {}
    known: list[list[tuple[Claim, float]]] = [[] for _ in members]

    def after(time: float, what: Callable[[float], None]) -> None:
        heapq.heappush(events, (time, next(order), what))

    def publish(member: int, message: Claim, now: float) -> None:
        def broker(now: float) -> None:
            for other, each in enumerate(members):
                after(now + each.back, lambda now, other=other: receive(other, message, now))  # type: ignore[misc]

        after(now + members[member].there, broker)

    def receive(member: int, message: Claim, now: float) -> None:
        known[member].append((message, now))
        if auction := auctions.get(member):
            auction.hear(message, now)
            look(member, now)

    def hear_word(member: int, now: float) -> None:
        mine = claim(str(member), members[member].level)
        auction = auctions[member] = Auction(mine, now, WINDOW)
        for message, at in known[member]:
            if now - at < WINDOW:
                auction.hear(message, at)
        publish(member, mine, now)
        look(member, now)

    def look(member: int, now: float) -> None:
        auction = auctions[member]
        while (due := auction.due) is not None and due <= now:
            if message := auction.step(now):
                publish(member, message, now)
        if due is not None:
            after(due, lambda now: look(member, now))
        elif auction.taker and auction.taker.instance == auction.mine.instance:
            takers.setdefault(member, now)

    for number, each in enumerate(members):
        after(each.at, lambda now, number=number: hear_word(number, now))  # type: ignore[misc]
    while events:
        now, _, what = heapq.heappop(events)
        what(now)
    assert all(auction.taker for auction in auctions.values())
    return list(takers.items())


def members(latest: float, slowest: float) -> st.SearchStrategy[list[Member]]:
    delay = st.floats(0, slowest / 2)
    level = st.sampled_from([-40.0, -30.0, -20.0])
    return st.lists(st.builds(Member, st.floats(0, latest), level, delay, delay), min_size=1, max_size=5)


@given(members(latest=1.9 * WINDOW, slowest=0.9 * WINDOW))
def test_one_takes_the_word_whatever_the_order_in_which_the_claims_arrive(hearing: list[Member]) -> None:
    """As long as all hear it within two windows, and a message comes back from the broker within one."""
    assert len(settle(hearing)) == 1


@given(members(latest=0.5 * WINDOW, slowest=0.4 * WINDOW))
def test_the_loudest_takes_it_if_all_claim_it_within_the_window(hearing: list[Member]) -> None:
    """It knows that after a window and two round trips to the broker at most."""
    [(taker, when)] = settle(hearing)
    assert (hearing[taker].level, taker) == max((each.level, number) for number, each in enumerate(hearing))
    assert when <= min(each.at for each in hearing) + WINDOW + 2 * 0.4 * WINDOW + 1e-9


def test_the_next_takes_it_when_the_loudest_has_gone() -> None:
    auction = Auction(claim("a", -30), 10.0, WINDOW)
    auction.hear(claim("a", -30), 10.1)
    auction.hear(claim("b", -20), 10.2)
    assert auction.due == 12.0
    taking = auction.step(12.0)
    assert taking
    assert taking == claim("a", -30, taken=True)
    auction.hear(taking, 12.1)
    assert auction.taker == taking
    assert auction.due is None


def test_without_an_answer_of_the_broker_it_waits_one_window() -> None:
    auction = Auction(claim("a", -30), 10.0, WINDOW)
    assert auction.due == 11.0
    assert auction.step(11.0)
    assert auction.due == 11.0
    assert auction.step(11.0) is None
    assert auction.taker == auction.mine


def test_other_words_have_no_part_in_it() -> None:
    auction = Auction(claim("a", -30, number=7), 10.0, WINDOW)
    others = [
        msgspec.structs.replace(claim("b", 0), keyword="off"),
        msgspec.structs.replace(claim("b", 0, taken=True), keyword="off"),
        claim("a", 0, number=6, taken=True),  # our own word before
    ]
    for other in others:
        auction.hear(other, 10.1)
    assert (auction.due, auction.taker) == (11.0, None)


# The messages.


@given(st.binary(max_size=300))
def test_what_is_no_claim_is_none(payload: bytes) -> None:
    read_claim(payload)


@pytest.mark.parametrize(
    "change",
    [
        {"level": "loud"}, {"level": None}, {"level": 1e9}, {"taken": 1}, {"number": -1}, {"number": 0.5},
        {"keyword": None}, {"keyword": "x" * 300}, {"instance": 7}, {"site": []},
    ],
)  # fmt: skip
def test_a_claim_with_a_wrong_field_is_none(change: dict[str, Any]) -> None:
    fields = msgspec.to_builtins(claim())
    assert read_claim(msgspec.json.encode(fields)) == claim()
    assert read_claim(msgspec.json.encode(fields | change)) is None
    for name in set(fields) - {"taken"}:
        assert read_claim(msgspec.json.encode({key: fields[key] for key in fields if key != name})) is None


def test_payloads_that_are_no_object_are_none() -> None:
    for payload in (b"", b"[]", b"NaN", b"{", b"\xff", b"[" * 100_000, b'{"level": NaN}'):
        assert read_claim(payload) is None


# The arbiter, with a broker that the test plays.


class Played:
    """An arbiter; what it sent, and what it delivered."""

    def __init__(self, *, connected: bool = True, window: float = 5.0) -> None:
        self.connected = connected
        self.sent: list[Claim] = []
        self.delivered: list[str] = []
        self.changed = threading.Condition()
        self.arbiter = Arbiter("test", site="site a", instance="a", window=window, send=self._send)

    def _send(self, message: Claim) -> bool:
        self.sent.append(message)
        return self.connected

    def deliver(self, word: Detection) -> None:
        with self.changed:
            self.delivered.append(word.keyword)
            self.changed.notify_all()

    def put(self) -> None:
        self.arbiter.put(replace(detection(), level=-30.04), self.deliver)

    def hear(self, message: Claim) -> None:
        self.arbiter.hear(msgspec.json.encode(message))

    def wait(self) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.delivered, 15)


def test_without_a_connection_a_detection_is_delivered_at_once() -> None:
    played = Played(connected=False)
    played.put()
    played.wait()
    assert [message.taken for message in played.sent] == [False]


def test_with_a_silent_broker_a_detection_is_delivered_after_the_window() -> None:
    played = Played(window=0.05)
    played.put()
    played.wait()
    assert played.sent == [claim("a", -30.0), claim("a", -30.0, taken=True)]


def test_a_word_that_another_takes_is_not_delivered(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    played = Played()
    played.put()
    played.arbiter.hear(b"nonsense")
    played.hear(claim("b", -20.0, taken=True))
    played.arbiter.close(15)
    assert played.delivered == []
    said = "test: on is left to site b, which heard it at -20 dB, and site a at -30 dB"
    assert said in [record.getMessage() for record in caplog.records]


def test_a_word_that_another_has_just_taken_is_not_delivered_and_one_said_later_is() -> None:
    played = Played(window=60.0)
    played.hear(claim("b", -40.0, taken=True))
    played.put()
    played.arbiter.close(15)
    assert played.delivered == []
    later = Played(window=0.05)
    later.hear(claim("b", -40.0, taken=True))
    past(time.monotonic() + 0.05)
    later.put()
    later.wait()


def test_a_message_that_comes_twice_counts_once() -> None:
    played = Played(window=0.05)
    played.hear(claim("b", -20.0, taken=True))
    past(time.monotonic() + 0.05)
    played.hear(claim("b", -20.0, taken=True))  # again, by a bridge of brokers
    played.put()
    played.wait()


# Publishers, with a real broker.


def group(**more: Any) -> dict[str, Any]:
    return {"arbitration": "hall", "arbitration_window": 2.0, **more}


def say(service: Running, level: float) -> None:
    """Have a microphone hear the word."""
    arbiter = service.publisher.arbiter
    assert arbiter
    arbiter.put(replace(detection(), level=level), service.worker.put)


@pytest.mark.process
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_the_louder_of_two_publishes_and_the_other_does_not(
    broker: Broker, subscriber: Subscriber, protocol: str
) -> None:
    # Neither a retained claim nor a malformed one counts.
    subscriber.publish(TOPIC, msgspec.json.encode(claim("x", 0.0, taken=True)), retain=True)
    more = group(protocol=protocol)
    with running(broker, site="kitchen", **more) as kitchen, running(broker, site="door", **more) as door:
        for service in (kitchen, door):
            service.session()
        subscriber.publish(TOPIC, b"{}")
        say(kitchen, -30.0)
        say(door, -20.0)
        subscriber.wait("kws/door/detection")
        for service in (kitchen, door):
            assert service.publisher.arbiter
            service.publisher.arbiter.close(15)
    said = [one.fields for one in subscriber.on(TOPIC) if one.fields.get("taken") and one.fields["instance"] != "x"]
    assert [(one["site"], one["level"]) for one in said] == [("door", -20.0)]
    assert not subscriber.on("kws/kitchen/detection")
    assert len(subscriber.on("kws/door/detection")) == 1


@pytest.mark.process
def test_a_detection_is_not_lost_with_the_broker(broker: Broker) -> None:
    with running(broker, max_age=60.0, **group()) as service:
        service.session()
        broker.kill()
        wait_until(lambda: not service.publisher.connected)
        say(service, -20.0)
        broker.start()
        assert service.wait_settled(1) == Counts(published=1)
