"""End to end with a broker: what is published, and what becomes of it when the broker is not well."""

from __future__ import annotations

import logging
import re
import socket
import struct
import subprocess
import time
from collections import Counter
from functools import partial
from pathlib import Path

import pytest

from kws.decision.values import NearMiss, Reason
from kws.publishers.formats import as_json
from kws.publishers.health import HealthReport
from kws.publishers.worker import Counts
from tests.support.broker import Broker, Subscriber
from tests.support.home import QUIET, Home
from tests.support.mqtt_publisher import running
from tests.support.publishers import detection, past
from tests.support.waiting import wait_until

STATUS, DETECTION = "kws/kitchen/status", "kws/kitchen/detection"


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_detection_is_published_for_the_site_and_for_the_keyword(
    broker: Broker, subscriber: Subscriber, protocol: str
) -> None:
    with running(broker, protocol=protocol) as service:
        service.worker.put(detection("on"))
        for topic in (DETECTION, f"{DETECTION}/on"):
            heard = subscriber.wait(topic)
            assert heard.payload == as_json(detection("on"))
            assert heard.qos == 1
    with Subscriber(broker) as later:
        later.wait(STATUS)
        assert not later.on(DETECTION)
        assert not later.on(f"{DETECTION}/on")


def test_the_status_is_online_and_offline_after_a_clean_end(broker: Broker, subscriber: Subscriber) -> None:
    with running(broker):
        assert not subscriber.wait(STATUS, "online").retained  # it is the first
        with Subscriber(broker) as later:
            assert later.wait(STATUS).payload == "online"
            assert later.wait(STATUS).retained
    subscriber.wait(STATUS, "offline")
    with Subscriber(broker) as later:
        assert later.wait(STATUS).payload == "offline"
        assert later.wait(STATUS).retained
    # The broker was told that this is the end, so it kept the will to itself.
    assert [heard.payload for heard in subscriber.on(STATUS)] == ["online", "offline"]


def test_the_will_says_offline_for_a_service_that_was_killed(broker: Broker, subscriber: Subscriber) -> None:
    with running(broker) as service:
        subscriber.wait(STATUS, "online")
        session = service.session()
        session.abort()
        subscriber.wait(STATUS, "offline")
        subscriber.wait(STATUS, "online", count=2)


def test_state_and_health_are_retained_and_come_back_with_the_broker(broker: Broker) -> None:
    with running(broker) as service:
        service.publisher.listening("kitchen", on=True)
        service.publisher.threshold("kitchen", "on", 0.855)
        service.publisher.health("kitchen", HealthReport(listening=True, windows=7, counts=Counts(1, 2, 3)))
        for _ in range(2):
            with Subscriber(broker) as subscriber:
                assert subscriber.wait("kws/kitchen/state/listening").payload == "ON"
                assert subscriber.wait("kws/kitchen/state/threshold/on").payload == "0.855"
                healths = partial(subscriber.on, "kws/kitchen/health")  # the first may say that there is no sound yet
                subscriber.wait_until(lambda: any(one.fields["windows"] == 7 for one in healths()), "health")  # noqa: B023
                health = healths()[-1]
                assert health.fields["dropped_detections"] == 2
                assert health.fields["other_instances"] == []
                subscriber.wait(STATUS, "online")
            broker.stop()  # and it forgets
            broker.start()
        with Subscriber(broker) as subscriber:
            subscriber.wait(STATUS, "online")
            retained = [heard for heard in subscriber.heard if heard.retained]
            assert {heard.topic for heard in retained} <= {
                STATUS, "kws/kitchen/health", "kws/kitchen/state/listening", "kws/kitchen/state/threshold/on",
            }  # fmt: skip


def test_the_health_of_a_run_that_was_killed_is_replaced_before_the_next_is_online(
    broker: Broker, subscriber: Subscriber
) -> None:
    subscriber.publish("kws/kitchen/health", '{"listening": true, "trouble": null}', retain=True)
    with running(broker):
        subscriber.wait(STATUS, "online")
    with Subscriber(broker) as later:
        health = later.wait("kws/kitchen/health").fields
        later.wait(STATUS, "offline")
    assert (health["listening"], health["trouble"]) == (False, "the service has ended")
    heard = [heard for heard in subscriber.heard if heard.topic in (STATUS, "kws/kitchen/health")]
    assert [one.topic for one in heard] == [
        "kws/kitchen/health", "kws/kitchen/health", STATUS, STATUS, "kws/kitchen/health",
    ]  # fmt: skip
    assert heard[1].fields["trouble"] == "no sound yet"


def test_after_the_end_the_health_does_not_say_that_it_listens(broker: Broker, subscriber: Subscriber) -> None:
    with running(broker) as service:
        service.publisher.health("kitchen", HealthReport(listening=True, source="USB Audio", windows=7))
        service.session()
    with Subscriber(broker) as later:
        fields = later.wait("kws/kitchen/health").fields
    assert (fields["source"], fields["trouble"], fields["windows"]) == (None, "the service has ended", 7)


def test_a_health_that_is_not_renewed_expires(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kws.publishers.mqtt.publisher.HEALTH_EXPIRY_SECONDS", 1)
    with running(broker) as service:
        service.publisher.health("kitchen", HealthReport(listening=True))
        service.session()

    def gone() -> bool:
        with Subscriber(broker) as later:
            later.wait(STATUS, "offline")
            later.publish("mark", "")
            later.wait("mark")
            return not later.on("kws/kitchen/health")

    wait_until(gone)


def test_the_thresholds_of_another_model_are_cleared(broker: Broker, subscriber: Subscriber) -> None:
    with running(broker, keywords=("yes", "on")) as service:
        service.publisher.threshold("kitchen", "yes", 0.5)
        service.publisher.threshold("kitchen", "on", 0.6)
        subscriber.wait("kws/kitchen/state/threshold/on")
    subscriber.publish("kws/cellar/state/threshold/yes", "0.5", retain=True)
    with running(broker, keywords=("on", "off")) as service:
        subscriber.wait("kws/kitchen/state/threshold/yes", "")
        service.publisher.threshold("kitchen", "off", 0.7)
        subscriber.wait("kws/kitchen/state/threshold/off")
    with Subscriber(broker, "kws/+/state/threshold/+") as later:
        later.publish("kws/x/state/threshold/end", "")
        later.wait("kws/x/state/threshold/end")
        assert {heard.topic for heard in later.heard if heard.retained} == {
            "kws/kitchen/state/threshold/on", "kws/kitchen/state/threshold/off", "kws/cellar/state/threshold/yes",
        }  # fmt: skip


def test_a_broker_that_is_down_at_the_start_is_waited_for(
    stopped_broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "kws"), running(stopped_broker) as service:
        service.worker.put(detection("on"))  # it waits too
        while "nothing listens on this port" not in caplog.text:
            past(time.monotonic() + 0.01)
        stopped_broker.start()
        with Subscriber(stopped_broker) as subscriber:
            subscriber.wait(STATUS, "online")
            service.worker.put(detection("off"))
            subscriber.wait(f"{DETECTION}/off")
    assert service.worker.counts == Counts(published=2)
    assert caplog.messages == [
        f"{stopped_broker.url}: nothing listens on this port; is the broker running?; retrying",
        f"{stopped_broker.url}: connected",
    ]


def test_what_was_said_in_an_outage_is_never_heard_and_told_once(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with running(broker, max_age=0.2) as service:
        with Subscriber(broker) as subscriber:
            subscriber.wait(STATUS, "online")
        broker.kill()
        with caplog.at_level(logging.INFO, "kws"):
            for _ in range(5):
                service.worker.put(detection("on"))
            past(time.monotonic() + 0.3)
            broker.start()
            with Subscriber(broker) as subscriber:
                subscriber.wait(STATUS, "online")
                service.worker.put(detection("off"))
                subscriber.wait(f"{DETECTION}/off")
                assert not subscriber.on(f"{DETECTION}/on")
    counts = service.worker.counts
    # The first may have been on its way when the connection broke.
    assert counts in (Counts(published=1, dropped=5), Counts(published=1, dropped=4, unconfirmed=1))
    (told,) = [line for line in caplog.messages if "dropped" in line]
    assert told.startswith(f"{broker.url}: {counts.dropped} detections were dropped: ")
    assert "the broker could not be reached in time" in told


def test_a_broker_that_hangs_costs_the_detection_that_it_had_and_no_other(
    broker: Broker, subscriber: Subscriber, caplog: pytest.LogCaptureFixture
) -> None:
    with running(broker, max_age=0.3) as service:
        subscriber.wait(STATUS, "online")
        broker.freeze()
        service.worker.put(detection("on"))
        service.worker.put(detection("off"))
        counts = service.wait_settled(2)
        broker.thaw()
        service.worker.put(detection("on"))
        subscriber.wait(STATUS, "online", count=2)
    assert (counts.unconfirmed, counts.dropped) == (1, 1)
    assert "on: the broker did not confirm it in time" in caplog.text
    assert not subscriber.on(f"{DETECTION}/off")


def test_a_connection_that_is_cut_takes_along_what_the_system_had_not_sent(
    broker: Broker, subscriber: Subscriber
) -> None:
    """A network that comes back must not bring the words spoken while it was away."""
    with running(broker, max_age=0.3) as service:
        subscriber.wait(STATUS, "online")
        session = service.session()
        raw = session._raw
        assert raw
        watched = raw.dup()
        with watched:
            broker.freeze()
            service.worker.put(detection("on"))
            assert service.wait_settled(1) == Counts(unconfirmed=1)
            assert session.lost
            linger = struct.unpack("ii", watched.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))
            assert linger == (1, 0)
        broker.thaw()


def test_a_subscriber_that_hangs_does_not_delay_the_others(broker: Broker, subscriber: Subscriber) -> None:
    hanging = subprocess.Popen(
        ["mosquitto_sub", "-p", str(broker.port), "-q", "1", "-t", "#", "-t", "hanging"], stdout=subprocess.PIPE
    )
    try:
        with running(broker) as service:
            assert hanging.stdout
            assert hanging.stdout.readline()  # it has subscribed
            hanging.send_signal(19)  # SIGSTOP
            for number in range(50):
                service.worker.put(detection("on", end=float(number)))
            subscriber.wait(DETECTION, count=50)
    finally:
        hanging.kill()
        hanging.communicate()
    assert service.worker.counts == Counts(published=50)


def test_a_wrong_password_is_said_in_plain_words_and_not_shown(
    stopped_broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "kws", "right"], check=True)
    stopped_broker.lines = [f"password_file {passwords}"]
    stopped_broker.start()
    secret = tmp_path / "secret"
    secret.write_text("wr0ng-passw0rd\n")
    with caplog.at_level(logging.DEBUG), running(stopped_broker, user="kws", password_file=str(secret)) as service:
        while "refuses" not in caplog.text:
            past(time.monotonic() + 0.01)
        assert not service.publisher.connected
    assert "refuses the login of user 'kws' with this password (not authorized)" in caplog.text
    assert "wr0ng" not in caplog.text
    secret.write_text("right\n")
    with running(stopped_broker, user="kws", password_file=str(secret)) as service:
        assert service.session()
    monkeypatch.setenv("KWS_MQTT_PASSWORD", "right")
    url = stopped_broker.url.replace("//", "//kws@")
    with running(stopped_broker, url=url, protocol="3.1.1") as service:
        assert service.session()


def test_what_the_rights_forbid_is_said(
    stopped_broker: Broker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rights = tmp_path / "acl"
    rights.write_text("topic readwrite kws/kitchen/status\ntopic read kws/kitchen/set/#\n")
    stopped_broker.lines += [f"acl_file {rights}"]
    stopped_broker.start()
    with running(stopped_broker) as service:
        service.worker.put(detection("on"))
        assert service.wait_settled(1) == Counts(dropped=1)
    assert f"{stopped_broker.url}: dropped a detection: the broker refuses {DETECTION}: Not authorized" in caplog.text


def test_two_services_of_one_site_are_told_and_do_not_fight(
    broker: Broker, subscriber: Subscriber, caplog: pytest.LogCaptureFixture
) -> None:
    with running(broker) as first:
        subscriber.wait(STATUS, "online")
        with running(broker) as second:
            subscriber.wait(STATUS, "online", count=2)
            # Each says hello, and the first once more for the second.
            subscriber.wait("kws/kitchen/instance", count=3)
            while not (first.publisher.others and second.publisher.others):
                past(time.monotonic() + 0.01)
            first.worker.put(detection("on"))
            second.worker.put(detection("off"))
            subscriber.wait(DETECTION, count=2)
        # The second said offline when it ended; the first is still there.
        subscriber.wait(STATUS, "offline")
        subscriber.wait(STATUS, "online", count=3)
    told = [line for line in caplog.messages if "another kws" in line]
    assert len(told) == 2
    assert 'uses the site "kitchen" too; give each a site of its own (mqtt.site)' in told[0]
    assert not [line for line in caplog.messages if "lost" in line]


def test_a_thousand_detections_through_twenty_restarts(broker: Broker) -> None:
    """None late, none twice, every drop counted.

    The broker's own log tells what reached it: every detection is of a keyword, and so on a topic, of its own.
    """
    total, restarts, max_age = 1000, 20, 0.8
    keywords = tuple(f"k{number:04}" for number in range(total))
    said: dict[str, float] = {}
    heard: dict[str, float] = {}
    each = total // restarts

    def say(first: int, last: int) -> None:
        for keyword in keywords[first:last]:
            said[keyword] = time.monotonic()
            service.worker.put(detection(keyword))
            past(said[keyword] + 0.001)

    with running(broker, keywords=keywords, max_age=max_age, queue=total) as service:
        assert service.session()
        for restart in range(restarts):
            with Subscriber(broker, f"{DETECTION}/+") as before:
                say(restart * each, restart * each + each // 2)
                broker.kill() if restart % 2 else broker.stop()
                say(restart * each + each // 2, restart * each + each - 5)
                if restart % 5 == 0:
                    past(time.monotonic() + max_age)  # too long an outage
            broker.start()
            with Subscriber(broker, f"{DETECTION}/+") as after:
                say(restart * each + each - 5, restart * each + each)
                counts = service.wait_settled(len(said))
                after.publish(f"{DETECTION}/end", "")
                after.wait(f"{DETECTION}/end")
            for message in before.heard + after.heard:
                if (keyword := message.topic.rpartition("/")[2]) != "end":
                    assert keyword not in heard
                    heard[keyword] = message.at - said[keyword]
    reached = Counter(re.findall(rf"Received PUBLISH from kws-\S+ \(d\d.*?'{DETECTION}/(k\d+)'", broker.log))
    assert counts.published + counts.dropped + counts.unconfirmed == total
    assert max(reached.values()) == 1
    assert counts.published <= len(reached) <= counts.published + counts.unconfirmed
    assert counts.dropped >= 4 * 15
    assert counts.published > total / 2
    assert heard.keys() <= reached.keys()
    assert len(heard) > total / 2
    assert max(heard.values()) <= max_age


def test_the_gate_is_retained_and_comes_back_with_the_broker(broker: Broker) -> None:
    with running(broker) as service:
        for word, said in ((None, "closed"), ("computer", "open computer")):
            service.publisher.gate("kitchen", word)
            with Subscriber(broker) as subscriber:
                subscriber.wait("kws/kitchen/gate", said)
        broker.stop()
        broker.start()
        with Subscriber(broker) as subscriber:
            assert subscriber.wait("kws/kitchen/gate").payload == "open computer"


def test_a_gate_that_is_no_longer_there_is_cleared(broker: Broker, subscriber: Subscriber) -> None:
    subscriber.publish("kws/kitchen/gate", "open computer", retain=True)
    with running(broker, gated=True) as service:
        service.session()
        service.publisher.gate("kitchen", None)
        subscriber.wait("kws/kitchen/gate", "closed")
    with running(broker) as service:
        service.session()
        subscriber.wait("kws/kitchen/gate", "")
    assert [one.payload for one in subscriber.on("kws/kitchen/gate")] == ["open computer", "closed", ""]


def test_near_misses_are_published_if_asked_for_and_never_late(broker: Broker, subscriber: Subscriber) -> None:
    def miss(keyword: str) -> NearMiss:
        return NearMiss(keyword=keyword, score=0.44, threshold=0.5, end=32000, reason=Reason.BELOW_THRESHOLD)

    with running(broker) as silent:
        silent.session()
        silent.publisher.near_miss("kitchen", miss("off"), 16000)
    with running(broker, near_misses=True) as service:
        service.session()
        service.publisher.near_miss("kitchen", miss("on"), 16000)
        heard = subscriber.wait("kws/kitchen/near_miss")
        assert not heard.retained
        fields = heard.fields
        assert fields.pop("time")
        assert fields == {
            "keyword": "on", "score": 0.44, "threshold": 0.5, "end": 2.0, "reason": "below threshold",
        }  # fmt: skip
        broker.stop()
        wait_until(lambda: not service.publisher.connected)
        service.publisher.near_miss("kitchen", miss("off"), 16000)
        broker.start()
        with Subscriber(broker) as later:
            later.wait(STATUS, "online")
            wait_until(lambda: service.publisher.connected)
            service.publisher.near_miss("kitchen", miss("on"), 16000)
            assert later.wait("kws/kitchen/near_miss").fields["keyword"] == "on"


def test_an_open_gate_is_shown_over_mqtt_while_it_is_open(broker: Broker, subscriber: Subscriber) -> None:
    """When a service hears a wake word, the gate opens; it closes by time in the sound."""
    home = Home(broker=broker, gate=("on",))
    subscriber.wait("kws/kitchen/gate", "closed")
    home.microphone.say_on()
    subscriber.wait("kws/kitchen/gate", "open on")
    home.microphone.hear(*[QUIET] * 12)
    subscriber.wait("kws/kitchen/gate", "closed", count=2)
    home.stop()
