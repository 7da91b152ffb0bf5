"""The state that a listener reports of its source, and that it goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kws.config.schema import WatchOptions
from kws.errors import AbsentError, AudioError, UsageError
from kws.pipeline.requests import SetListening
from tests.support.broker import Broker, Subscriber
from tests.support.home import LOUD, MUTED, QUIET, Home, Microphone
from tests.support.waiting import wait_until

ZEROS = "the test's microphone delivers nothing but zeros; is it muted?"


def status(subscriber: Subscriber) -> str | None:
    """Return the newest status."""
    heard = subscriber.on("kws/kitchen/status")
    return heard[-1].payload if heard else None


@pytest.fixture
def online(broker: Broker, subscriber: Subscriber, start: Callable[..., Home]) -> Callable[..., Home]:
    """Starts a home whose microphone is heard, watched with the options given."""

    def online(**watch: float) -> Home:
        home = start(broker=broker, watch=WatchOptions(retry=0.1, **watch))
        home.microphone.hear(QUIET)
        wait_until(lambda: status(subscriber) == "online")
        return home

    return online


def test_a_microphone_that_is_not_there_yet_is_waited_for(start: Callable[..., Home]) -> None:
    home = start()
    home.microphone.sound.put(AudioError("gone"))
    wait_until(lambda: home.listener.hearing.trouble == "gone")
    home.microphone.refusal = AbsentError("no microphone is called so")
    home.microphone.refuses = 1
    wait_until(lambda: home.microphone.refuses == 0)
    home.microphone.say_on()
    home.recorder.wait_for(1)
    assert home.listener.hearing.trouble is None


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], None]:
    """Has every microphone refuse the first opening."""

    def refusing(refusal: Exception) -> None:
        def make(self: Microphone) -> None:
            original(self)
            self.refuses, self.refusal = 1, refusal

        original = Microphone.__init__
        monkeypatch.setattr(Microphone, "__init__", make)

    return refusing


def test_one_that_is_not_there_at_the_start_is_waited_for(
    start: Callable[..., Home], refusing: Callable[[Exception], None]
) -> None:
    refusing(AbsentError("no microphone is called so"))
    home = start()
    home.microphone.say_on()
    home.recorder.wait_for(1)
    assert home.observer.told[:3] == ["lost: no microphone is called so", "opened 16000", "recovered"]


def test_a_setting_that_can_never_be_ends_the_service(
    start: Callable[..., Home], refusing: Callable[[Exception], None]
) -> None:
    refusing(UsageError("there is no channel 7"))
    home = start()
    home.wait()
    assert isinstance(home.failure, UsageError)
    assert str(home.failure) == "there is no channel 7"


def test_a_setting_that_cannot_be_any_more_is_waited_for(start: Callable[..., Home]) -> None:
    home = start()
    home.microphone.say_on()
    home.recorder.wait_for(1)
    home.microphone.refusal = UsageError("it may be either of two")
    home.microphone.refuses = 1
    home.microphone.sound.put(AudioError("gone"))
    home.microphone.say_on()
    home.recorder.wait_for(2)


def test_a_defect_of_ours_is_no_reason_to_be_deaf_for_ever(
    start: Callable[..., Home], caplog: pytest.LogCaptureFixture
) -> None:
    home = start()
    home.microphone.say_on()
    home.recorder.wait_for(1)
    home.microphone.sound.put(RuntimeError("a defect"))
    home.microphone.say_on()
    home.recorder.wait_for(2)
    assert "lost: a defect" in home.observer.told
    assert any(record.exc_info for record in caplog.records)


def test_gaps_are_counted_and_nothing_is_detected_across_one(start: Callable[..., Home]) -> None:
    home = start()
    home.microphone.say_on()
    home.recorder.wait_for(1)
    # Each half of this word is in a stretch of its own, too short for a window.
    home.microphone.sound.put(160)
    home.microphone.hear(LOUD)
    home.microphone.sound.put(8000)
    home.microphone.hear(LOUD)
    home.microphone.sound.put(160)
    home.microphone.say_on()
    home.recorder.wait_for(2)
    wait_until(home.microphone.sound.empty)
    home.stop()
    assert home.recorder.heard == ["on", "on"]
    counters = home.listener.counters
    assert (counters.gaps, counters.lost_samples, counters.detections) == (3, 8320, 2)


def test_that_nothing_comes_is_noticed_from_outside(online: Callable[..., Home], subscriber: Subscriber) -> None:
    home = online(stall=0.5)
    wait_until(lambda: status(subscriber) == "offline")
    assert str(home.listener.hearing.trouble).startswith("no sound came for ")
    home.microphone.hear(QUIET)
    wait_until(lambda: status(subscriber) == "online")


def test_a_pipe_that_stalls_is_offline_and_sound_is_not_joined_across_the_stall(
    broker: Broker, subscriber: Subscriber, start: Callable[..., Home], caplog: pytest.LogCaptureFixture
) -> None:
    home = start(broker=broker, reopens=False, watch=WatchOptions(stall=0.5))
    home.microphone.hear(QUIET, QUIET)
    for _ in range(5):  # too little of a word
        home.microphone.hear_block(LOUD)
    wait_until(lambda: status(subscriber) == "online")
    wait_until(lambda: status(subscriber) == "offline")
    home.microphone.hear(LOUD, QUIET, QUIET)  # joined to what came before, this would be the rest of it
    wait_until(lambda: status(subscriber) == "online")
    assert home.recorder.heard == []
    home.microphone.say_on()
    home.recorder.wait_for(1)
    home.microphone.sound.put(None)
    home.wait()
    assert home.microphone.opened == 1
    assert [record.levelname for record in caplog.records if "no sound came for" in record.message] == ["WARNING"]


def test_a_file_that_is_read_slowly_does_not_stall(start: Callable[..., Home], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Microphone, "live", False)
    home = start(reopens=False, watch=WatchOptions(stall=0.5))
    home.microphone.hear(QUIET, QUIET, QUIET)
    wait_until(lambda: home.listener.counters.windows > 10 and home.microphone.sound.empty())
    home.listener.hearing._scored_at -= 60  # the computer was asleep
    home.listener.look()
    assert home.listener.hearing.trouble is None


def test_switched_off_it_is_not_lost_but_muted(online: Callable[..., Home], subscriber: Subscriber) -> None:
    home = online(stall=0.5)
    home.inbox.put(SetListening(on=False))
    home.microphone.hear(QUIET)
    wait_until(lambda: "muted" in home.observer.told)
    wait_until(lambda: home.service.health(home.listener).source is None)
    assert home.listener.hearing.trouble is None
    home.service._note()  # it looks again
    assert status(subscriber) == "online"


def test_zeros_make_it_deaf_until_a_sample_differs(online: Callable[..., Home], subscriber: Subscriber) -> None:
    home = online(silence=1.0)
    home.microphone.hear(MUTED, MUTED)
    wait_until(lambda: status(subscriber) == "offline")
    home.microphone.hear(MUTED)
    wait_until(lambda: home.microphone.opened == 2)
    assert home.listener.hearing.trouble == ZEROS
    home.microphone.say_on()
    home.recorder.wait_for(1)
    wait_until(lambda: status(subscriber) == "online")


def test_zeros_from_the_beginning_are_no_sound(
    broker: Broker, subscriber: Subscriber, start: Callable[..., Home]
) -> None:
    home = start(broker=broker, watch=WatchOptions(silence=1.0, retry=0.1))
    home.microphone.hear(MUTED)
    wait_until(home.microphone.sound.empty)
    assert home.listener.hearing.trouble == "no sound yet"
    home.microphone.hear(MUTED, MUTED)
    wait_until(lambda: home.microphone.opened == 2)
    wait_until(home.microphone.sound.empty)
    assert home.listener.hearing.trouble == ZEROS
    assert home.observer.told == ["opened 16000", f"lost: {ZEROS}", "opened 16000"]  # neither scored nor heard
    subscriber.wait("kws/kitchen/health")
    assert {heard.payload for heard in subscriber.on("kws/kitchen/status")} == {"offline"}
    # Nor does it end because it may no longer be opened: it once was.
    home.microphone.refusal = UsageError("it may be either of two")
    home.microphone.refuses = 1
    home.microphone.sound.put(AudioError("gone"))
    home.microphone.say_on()
    home.recorder.wait_for(1)
    wait_until(lambda: status(subscriber) == "online")
    assert home.listener.counters.reconnects == 2


def test_one_that_is_back_and_delivers_zeros_is_not_heard_again(
    online: Callable[..., Home], subscriber: Subscriber
) -> None:
    home = online(silence=1.0)
    home.microphone.sound.put(AudioError("gone"))
    home.microphone.hear(MUTED)
    wait_until(lambda: home.microphone.opened == 2 and home.microphone.sound.empty())
    assert home.listener.hearing.trouble == "gone"
    home.microphone.hear(MUTED, MUTED)
    wait_until(lambda: home.listener.hearing.trouble == ZEROS)
    assert home.observer.told == ["opened 16000", "recovered", "scored", "lost: gone", "opened 16000"]
    assert status(subscriber) == "offline"
    home.microphone.hear(QUIET)
    wait_until(lambda: status(subscriber) == "online")


def test_switched_on_again_zeros_are_no_sound_either(online: Callable[..., Home], subscriber: Subscriber) -> None:
    home = online(stall=0.5)
    home.inbox.put(SetListening(on=False))
    home.microphone.hear_block(QUIET)
    wait_until(lambda: home.service.health(home.listener).source is None)
    home.microphone.forget()
    home.inbox.put(SetListening(on=True))
    wait_until(lambda: home.microphone.opened == 2)
    before = len(home.observer.told)
    home.microphone.hear(MUTED)
    wait_until(lambda: status(subscriber) == "offline")
    assert str(home.listener.hearing.trouble).startswith("no sound came for ")
    wait_until(home.microphone.sound.empty)
    assert "scored" not in home.observer.told[before:]
    home.microphone.hear(QUIET)
    wait_until(lambda: status(subscriber) == "online")


def test_a_microphone_that_may_be_silent_is_heard_in_zeros(start: Callable[..., Home]) -> None:
    home = start(watch=WatchOptions(silence=0, retry=0.1))
    home.microphone.hear(MUTED)
    wait_until(lambda: "recovered" in home.observer.told)
    assert home.listener.hearing.trouble is None


def test_a_source_that_is_opened_once_is_deaf_while_it_delivers_zeros_and_goes_on(
    broker: Broker, subscriber: Subscriber, start: Callable[..., Home]
) -> None:
    """A pipe, or the microphone of ``kws listen``."""
    home = start(broker=broker, reopens=False, watch=WatchOptions(silence=1.0, stall=60))
    home.microphone.hear(MUTED)
    wait_until(lambda: status(subscriber) == "online")  # a pipe may begin with silence
    home.microphone.hear(*[MUTED] * 4)
    wait_until(lambda: status(subscriber) == "offline")
    assert home.listener.hearing.trouble == ZEROS
    home.microphone.say_on()
    home.recorder.wait_for(1)
    wait_until(lambda: status(subscriber) == "online")
    assert home.listener.hearing.trouble is None
    assert home.microphone.opened == 1


def test_a_recording_may_be_silent(start: Callable[..., Home], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Microphone, "live", False)
    home = start(reopens=False, watch=WatchOptions(silence=1.0))
    home.microphone.hear(MUTED, MUTED, MUTED)
    home.microphone.sound.put(None)
    home.wait()
    assert not [told for told in home.observer.told if told.startswith("lost")]


def test_one_that_dies_does_not_touch_the_others(start: Callable[..., Home]) -> None:
    hall = Microphone()
    home = start(reopens=False, others={"hall": hall})
    hall.say_on()
    home.recorder.wait_for(1)
    hall.sound.put(AudioError("the pipe is broken"))
    wait_until(lambda: len(home.service.listeners) == 1)
    home.microphone.say_on()
    home.recorder.wait_for(2)
    home.microphone.sound.put(None)
    home.wait()
    assert str(home.failure) == "the pipe is broken"
    assert home.recorder.closed
