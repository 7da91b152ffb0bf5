from __future__ import annotations

import logging
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.pipeline.requests import Request, SetKeyword, SetListening, SetThreshold
from kws.publishers.mqtt.control import ControlError, Requests
from kws.publishers.mqtt.hermes import TOGGLE_OFF, HermesOptions
from kws.publishers.mqtt.topics import Topics
from tests.support.broker import Broker, Subscriber
from tests.support.mqtt_publisher import running
from tests.support.publishers import past
from tests.support.waiting import wait_until

KEYWORDS = ("on", "off", "hey mycroft", "a/b", "küche")


def parse(path: str, payload: bytes) -> Request:
    request = Requests(Topics("kws", "kitchen"), KEYWORDS, None).read(
        f"kws/kitchen/set/{path}", payload, retained=False
    )
    assert request is not None
    return request


@pytest.mark.parametrize(
    ("path", "payload", "command"),
    [
        ("listening", b"ON", SetListening(on=True)),
        ("listening", b"OFF", SetListening(on=False)),
        ("threshold/on", b"0.85", SetThreshold("on", 0.85)),
        ("threshold/off", b"1", SetThreshold("off", 1.0)),
        ("threshold/off", b".5", SetThreshold("off", 0.5)),
        ("threshold/off", b"5e-1", SetThreshold("off", 0.5)),
        ("threshold/off", b"0.01", SetThreshold("off", 0.01)),
        ("threshold/hey mycroft", b"0.5", SetThreshold("hey mycroft", 0.5)),
        ("threshold/a_b", b"0.5", SetThreshold("a/b", 0.5)),
        ("keyword/on", b"OFF", SetKeyword("on", on=False)),
        ("keyword/a_b", b"ON", SetKeyword("a/b", on=True)),
        ("threshold/ku\N{COMBINING DIAERESIS}che", b"0.5", SetThreshold("küche", 0.5)),  # from a Mac
    ],
)
def test_a_request_is_understood(path: str, payload: bytes, command: Request) -> None:
    assert parse(path, payload) == command


@pytest.mark.parametrize(
    ("path", "payload", "problem"),
    [
        ("listening", b"on", "'on' is neither ON nor OFF"),
        ("listening", b"", "'' is neither ON nor OFF"),
        ("listening", b"ON\n", "neither"),
        ("listening", b"\xff\x00", "a binary payload is no setting"),
        ("listening", b"ON" * 100_000, "a payload of 200000 bytes is no setting"),
        ("threshold/on", b"", "'' is not a number"),
        ("threshold/on", b".", "'.' is not a number"),
        ("threshold/on", b"loud", "'loud' is not a number"),
        ("threshold/on", b"nan", "'nan' is not a number"),
        ("threshold/on", b"inf", "'inf' is not a number"),
        ("threshold/on", b"0x1", "is not a number"),
        ("threshold/on", b"0_1", "is not a number"),
        ("threshold/on", b" 0.5", "is not a number"),
        ("threshold/on", b"-0.5", "is not a number"),
        ("threshold/on", b"0,5", "is not a number"),
        ("threshold/on", b'{"a": 1}', "is not a number"),
        ("threshold/on", b"0", "0 is not within 0.01 to 1"),
        ("threshold/on", b"1.01", "1.01 is not within 0.01 to 1"),
        ("threshold/on", b"1e999", "inf is not within 0.01 to 1"),
        ("threshold/one", b"0.5", "'one' is not a keyword; choose from on, off, hey mycroft, a/b, küche"),
        ("threshold/", b"0.5", "'' is not a keyword"),
        ("keyword/on", b"0", "'0' is neither ON nor OFF"),
        ("keyword/one", b"ON", "'one' is not a keyword; choose from on, off, hey mycroft, a/b, küche"),
        ("threshold", b"0.5", "there is no such setting"),
        ("volume", b"11", "there is no such setting; set/listening, set/threshold/KEYWORD and set/keyword/KEYWORD are"),
        ("", b"", "there is no such setting"),
    ],
)
def test_what_cannot_be_is_refused(path: str, payload: bytes, problem: str) -> None:
    with pytest.raises(ControlError) as error:
        parse(path, payload)
    assert problem in str(error.value)


def outcome(path: str, payload: bytes) -> Request | str:
    """The command, or the refusal."""
    try:
        return parse(path, payload)
    except ControlError as error:
        return str(error)


@given(
    st.text() | st.sampled_from(["listening", "threshold/on", "threshold/off", "keyword/on"]), st.binary(max_size=64)
)
def test_whatever_comes_is_a_valid_command_or_one_line(path: str, payload: bytes) -> None:
    match outcome(path, payload):
        case str(refusal):
            assert "\n" not in refusal
            assert len(refusal) < 300
        case SetThreshold(keyword, threshold):
            assert keyword in KEYWORDS
            assert 0.01 <= threshold <= 1.0
        case SetListening() | SetKeyword() as request:
            assert payload == (b"ON" if request.on else b"OFF")


@given(st.text("0123456789.eE+-_ nainf", max_size=34))
def test_whatever_looks_like_a_number_is_within_range_or_refused(text: str) -> None:
    match outcome("threshold/on", text.encode()):
        case str(refusal):
            assert "number" in refusal or "not within" in refusal or "no setting" in refusal
        case command:
            assert command == SetThreshold("on", float(text))
            assert 0.01 <= float(text) <= 1


@given(st.floats(0.01, 1.0))
def test_every_threshold_can_be_written(threshold: float) -> None:
    assert parse("threshold/on", f"{threshold:.6f}".encode()) == SetThreshold("on", float(f"{threshold:.6f}"))


def test_requests_come_through_the_broker_and_bad_ones_change_nothing(
    broker: Broker, subscriber: Subscriber, caplog: pytest.LogCaptureFixture
) -> None:
    # Retained, it would be obeyed again with each connection.
    subscriber.publish("kws/kitchen/set/listening", "OFF", retain=True)
    with caplog.at_level(logging.WARNING, "kws"), running(broker) as service:
        service.session()
        subscriber.publish("kws/kitchen/set/listening", b"\xff" * 300_000)
        subscriber.publish("kws/kitchen/set/threshold/on", b"\x00\xff")
        subscriber.publish("kws/kitchen/set/threshold/nothing", "0.5")
        subscriber.publish("kws/kitchen/set/threshold/on", "2")
        subscriber.publish("kws/kitchen/set/\N{PILE OF POO}\N{ZERO WIDTH SPACE}", "2")
        subscriber.publish("kws/kitchen/set/threshold/on", "0.75")
        assert service.commands.get(timeout=10) == SetThreshold("on", 0.75)
        assert service.commands.empty()
        assert service.publisher.connected
    refused = [line.partition("refused on kws/kitchen/set/")[2] for line in caplog.messages if "refused" in line]
    assert refused == [
        "listening: a retained request; it would be obeyed again with each connection",
        "threshold/on: a binary payload is no setting",
        "threshold/nothing: 'nothing' is not a keyword; choose from on, off",
        "threshold/on: 2 is not within 0.01 to 1",
        "\N{PILE OF POO}?: there is no such setting; set/listening, set/threshold/KEYWORD and set/keyword/KEYWORD are",
    ]


def test_a_huge_payload_is_refused_without_mqtt_5_too(
    broker: Broker, subscriber: Subscriber, caplog: pytest.LogCaptureFixture
) -> None:
    with running(broker, protocol="3.1.1") as service:
        service.session()
        subscriber.publish("kws/kitchen/set/listening", b"\xff" * 300_000)
        subscriber.publish("kws/kitchen/set/listening", "OFF")
        assert service.commands.get(timeout=10) == SetListening(on=False)
    assert "refused on kws/kitchen/set/listening: a payload of 300000 bytes is no setting" in caplog.text


def test_nonsense_about_instances_is_passed_over(
    broker: Broker, subscriber: Subscriber, caplog: pytest.LogCaptureFixture
) -> None:
    with running(broker) as service:
        service.session()
        for payload in (b"", b"\xff", b"[]", b"{}", b'"x"', b"[" * 900, b'{"instance": 1}', b"9" * 900):
            subscriber.publish("kws/kitchen/instance", payload)
        subscriber.publish("kws/kitchen/instance", b'{"instance": 1, "where": "the\\nmoon"}')
        while not service.publisher.others:
            past(time.monotonic() + 0.01)
        assert service.publisher.others == ("the?moon",)
        assert service.publisher.connected


@pytest.mark.parametrize("topic", ["kws/kitchen/set/listening", TOGGLE_OFF])
def test_a_retained_request_is_refused_while_connected_too(
    broker: Broker, subscriber: Subscriber, caplog: pytest.LogCaptureFixture, topic: str
) -> None:
    payload = "OFF" if topic.endswith("listening") else '{"siteId": "kitchen"}'
    with running(broker, hermes=HermesOptions(enabled=True)) as service:
        service.session()
        subscriber.publish(topic, payload, retain=True)  # while connected
        service.session().abort()  # and again with the next connection
        wait_until(lambda: caplog.text.count("a retained request") == 2)
        subscriber.publish(topic, "", retain=True)  # cleared
        subscriber.publish(topic, payload)
        assert service.commands.get(timeout=10) == SetListening(on=False)
        assert service.commands.empty()
    assert caplog.text.count("refused") == 2
