from __future__ import annotations

import logging
import math
import time

import pytest

from kws.publishers import Dispatcher, Lane, UnconfirmedError
from kws.publishers.base import UnreachableError
from kws.publishers.dispatcher import Counts
from tests.support.publishers import Failing, Hanging, Recorder, detection, past

LOGGER = "kws.publishers.dispatcher"


def test_every_publisher_gets_every_detection_in_order() -> None:
    first, second = Recorder(), Recorder()
    dispatcher = Dispatcher([Lane(first), Lane(second)])
    for keyword in ("on", "off", "stop"):
        dispatcher.put(detection(keyword))
    dispatcher.close()
    assert first.heard == second.heard == ["on", "off", "stop"]
    assert first.closed
    assert second.closed
    assert dispatcher.counts == Counts(published=6)


def test_one_that_hangs_delays_neither_the_others_nor_whoever_listens() -> None:
    hanging, recorder = Hanging(), Recorder()
    dispatcher = Dispatcher([Lane(hanging), Lane(recorder)])
    for _ in range(50):
        dispatcher.put(detection())
    recorder.wait_for(50)
    assert hanging.entered.wait(10)
    assert hanging.heard == []
    hanging.go.set()
    dispatcher.close()
    assert len(hanging.heard) == 50


def test_one_that_fails_is_counted_and_the_others_are_served(caplog: pytest.LogCaptureFixture) -> None:
    failing, recorder = Failing(), Recorder()
    dispatcher = Dispatcher([Lane(failing), Lane(recorder)])
    with caplog.at_level(logging.WARNING, LOGGER):
        for _ in range(3):
            dispatcher.put(detection())
        dispatcher.close()
    assert recorder.heard == ["on"] * 3
    assert dispatcher.lanes[0].counts == Counts(dropped=3)
    assert caplog.messages == [
        "failing: dropped a detection: the paper is out",
        "failing: 3 detections were dropped: the paper is out",
    ]


def test_a_run_of_drops_is_told_once_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    failing = Failing(UnreachableError("no broker"))
    lane = Lane(failing)
    with caplog.at_level(logging.WARNING, LOGGER):
        for _ in range(4):
            lane.put(detection())
        failing.wait_for(4)
        # The fourth is being refused; the fifth is taken up only after that.
        while lane.counts.dropped < 4:
            pass
        failing.error = None
        lane.put(detection())
        failing.wait_for(5)
        lane.close()
    assert caplog.messages == ["failing: 4 detections were dropped: no broker"]
    assert lane.counts == Counts(published=1, dropped=4)


def test_a_defect_in_a_publisher_does_not_end_its_lane(caplog: pytest.LogCaptureFixture) -> None:
    failing = Failing(ZeroDivisionError())
    lane = Lane(failing)
    lane.put(detection("on"))
    lane.put(detection("off"))
    lane.close()
    assert failing.heard == ["on", "off"]
    assert lane.counts == Counts(dropped=2)
    assert "was not published" in caplog.text


def test_what_may_have_arrived_is_counted_apart(caplog: pytest.LogCaptureFixture) -> None:
    lane = Lane(Failing(UnconfirmedError("the connection broke")))
    lane.put(detection())
    lane.close()
    assert lane.counts == Counts(unconfirmed=1)
    assert caplog.messages == ["failing: on: the connection broke"]


def test_what_waited_for_too_long_is_dropped() -> None:
    hanging = Hanging()
    lane = Lane(hanging, max_age=0.05)
    lane.put(detection("in time"))
    assert hanging.entered.wait(10)
    lane.put(detection("too late"))
    past(time.monotonic() + 0.06)
    hanging.go.set()
    hanging.wait_for(1)
    lane.close()
    assert hanging.heard == ["in time"]
    assert lane.counts == Counts(published=1, dropped=1)


def test_a_recording_is_never_late() -> None:
    recorder = Recorder()
    lane = Lane(recorder, max_age=math.inf)
    lane.put(detection())
    lane.close()
    assert recorder.heard == ["on"]


def test_of_too_many_the_oldest_is_dropped() -> None:
    hanging = Hanging()
    lane = Lane(hanging, queue=2)
    lane.put(detection("0"))
    assert hanging.entered.wait(10)
    for keyword in "1234":
        lane.put(detection(keyword))
    hanging.go.set()
    lane.close()
    assert hanging.heard == ["0", "3", "4"]
    assert lane.counts == Counts(published=3, dropped=2)


def test_one_that_hangs_is_left_behind_at_the_end(caplog: pytest.LogCaptureFixture) -> None:
    hanging = Hanging()
    lane = Lane(hanging)
    lane.put(detection("0"))
    assert hanging.entered.wait(10)
    lane.put(detection("1"))
    lane.close(timeout=0.05)
    assert hanging.closed
    assert lane.counts == Counts(dropped=1)
    assert caplog.messages == [
        "hanging: dropped a detection: the end came first",
        "hanging: 1 detection was dropped: the end came first",
        "hanging: does not come back; it is left behind",
    ]
    hanging.go.set()


def test_after_the_end_nothing_is_taken() -> None:
    recorder = Recorder()
    lane = Lane(recorder)
    lane.close()
    lane.put(detection())
    lane.close()
    assert recorder.heard == []
    assert lane.counts == Counts(dropped=1)


@pytest.mark.parametrize("limits", [{"max_age": 0.0}, {"queue": 0}])
def test_limits_must_be_positive(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Lane(Recorder(), **limits)  # type: ignore[arg-type]
