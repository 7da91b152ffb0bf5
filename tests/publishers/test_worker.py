from __future__ import annotations

import logging
import math
import time

import pytest

from kws.publishers.base import UnconfirmedError, UnreachableError
from kws.publishers.worker import Counts, PublisherWorker, close_all, total
from tests.support.publishers import Failing, Hanging, Recorder, detection, past

LOGGER = "kws.common.worker"


def test_every_publisher_gets_every_detection_in_order() -> None:
    first, second = Recorder(), Recorder()
    workers = [PublisherWorker(first), PublisherWorker(second)]
    for keyword in ("on", "off", "stop"):
        for worker in workers:
            worker.put(detection(keyword))
    close_all(workers)
    assert first.heard == second.heard == ["on", "off", "stop"]
    assert first.closed
    assert second.closed
    assert total(workers) == Counts(published=6)


def test_one_that_hangs_delays_neither_the_others_nor_the_listener() -> None:
    hanging, recorder = Hanging(), Recorder()
    workers = [PublisherWorker(hanging), PublisherWorker(recorder)]
    for _ in range(50):
        for worker in workers:
            worker.put(detection())
    recorder.wait_for(50)
    assert hanging.entered.wait(10)
    assert hanging.heard == []
    hanging.go.set()
    close_all(workers)
    assert len(hanging.heard) == 50


def test_one_that_fails_is_counted_and_the_others_are_served(caplog: pytest.LogCaptureFixture) -> None:
    failing, recorder = Failing(), Recorder()
    workers = [PublisherWorker(failing), PublisherWorker(recorder)]
    with caplog.at_level(logging.WARNING, LOGGER):
        for _ in range(3):
            for worker in workers:
                worker.put(detection())
        close_all(workers)
    assert recorder.heard == ["on"] * 3
    assert workers[0].counts == Counts(dropped=3)
    assert caplog.messages == [
        "failing: dropped a detection: the paper is out",
        "failing: 3 detections were dropped: the paper is out",
    ]


def test_a_run_of_drops_is_told_once_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    failing = Failing(UnreachableError("no broker"))
    worker = PublisherWorker(failing)
    with caplog.at_level(logging.WARNING, LOGGER):
        for _ in range(4):
            worker.put(detection())
        failing.wait_for(4)
        # The fourth is being refused; the fifth is taken up only after that.
        while worker.counts.dropped < 4:
            pass
        failing.error = None
        worker.put(detection())
        failing.wait_for(5)
        worker.close()
    assert caplog.messages == ["failing: 4 detections were dropped: no broker"]
    assert worker.counts == Counts(published=1, dropped=4)


def test_a_defect_in_a_publisher_does_not_end_its_worker(caplog: pytest.LogCaptureFixture) -> None:
    failing = Failing(ZeroDivisionError())
    worker = PublisherWorker(failing)
    worker.put(detection("on"))
    worker.put(detection("off"))
    worker.close()
    assert failing.heard == ["on", "off"]
    assert worker.counts == Counts(dropped=2)
    assert "unexpected error" in caplog.text


def test_what_may_have_arrived_is_counted_apart(caplog: pytest.LogCaptureFixture) -> None:
    worker = PublisherWorker(Failing(UnconfirmedError("the connection broke")))
    worker.put(detection())
    worker.close()
    assert worker.counts == Counts(unconfirmed=1)
    assert caplog.messages == ["failing: on: the connection broke"]


def test_what_waited_for_too_long_is_dropped() -> None:
    hanging = Hanging()
    worker = PublisherWorker(hanging, max_age=0.5)
    worker.put(detection("in time"))
    assert hanging.entered.wait(10)
    worker.put(detection("too late"))
    past(time.monotonic() + 0.6)
    hanging.go.set()
    hanging.wait_for(1)
    worker.close()
    assert hanging.heard == ["in time"]
    assert worker.counts == Counts(published=1, dropped=1)


def test_a_recording_is_never_late() -> None:
    recorder = Recorder()
    worker = PublisherWorker(recorder, max_age=math.inf)
    worker.put(detection())
    worker.close()
    assert recorder.heard == ["on"]


def test_of_too_many_the_oldest_is_dropped() -> None:
    hanging = Hanging()
    worker = PublisherWorker(hanging, queue=2)
    worker.put(detection("0"))
    assert hanging.entered.wait(10)
    for keyword in "1234":
        worker.put(detection(keyword))
    hanging.go.set()
    worker.close()
    assert hanging.heard == ["0", "3", "4"]
    assert worker.counts == Counts(published=3, dropped=2)


def test_one_that_hangs_is_left_behind_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    hanging = Hanging()
    worker = PublisherWorker(hanging)
    worker.put(detection("0"))
    assert hanging.entered.wait(10)
    worker.put(detection("1"))
    worker.close(timeout=0.05)
    assert hanging.closed
    assert worker.counts == Counts(dropped=1)
    assert caplog.messages == [
        "hanging: dropped a detection: the program ended first",
        "hanging: 1 detection was dropped: the program ended first",
        "hanging: does not respond; abandoned",
    ]
    hanging.go.set()


def test_after_the_end_nothing_is_taken() -> None:
    recorder = Recorder()
    worker = PublisherWorker(recorder)
    worker.close()
    worker.put(detection())
    worker.close()
    assert recorder.heard == []
    assert worker.counts == Counts(dropped=1)


@pytest.mark.parametrize("limits", [{"max_age": 0.0}, {"queue": 0}])
def test_limits_must_be_positive(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        PublisherWorker(Recorder(), **limits)  # type: ignore[arg-type]
