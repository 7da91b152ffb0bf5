"""Another configuration, between two blocks of sound."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kws.errors import UsageError
from kws.service.place import Place
from tests.support.home import LOUD, QUIET, Home, Microphone
from tests.support.waiting import wait_until


def reload(home: Home, places: Callable[[], list[Place]] | None = None) -> None:
    """Reload the configuration and wait until it is in force; a microphone never stands still."""
    done = len([told for told in home.observer.told if told.startswith("reloaded")])
    home.next_places = places or home.places
    home.service.reload()

    def over() -> bool:
        if home.microphone.sound.empty():
            home.microphone.hear_block(QUIET)
        return len([told for told in home.observer.told if told.startswith("reloaded")]) > done

    wait_until(over)


@pytest.mark.parametrize("before", [0, 2, 5, 8, 12, 25])
def test_a_word_is_told_once_wherever_the_reload_is(start: Callable[..., Home], before: int) -> None:
    home = start()
    home.microphone.hear(QUIET, QUIET)
    for _ in range(before):
        home.microphone.hear_block(LOUD)
    wait_until(home.microphone.sound.empty)
    reload(home, lambda: home.places(refractory=0.0))
    for _ in range(25 - before):
        home.microphone.hear_block(LOUD)
    home.microphone.hear(QUIET, QUIET, QUIET)
    home.microphone.sound.put(None)
    home.wait()
    assert home.recorder.heard == ["on"]
    assert home.microphone.opened == 1


def test_the_new_settings_are_in_force(start: Callable[..., Home]) -> None:
    home = start()
    home.microphone.say_on()
    home.recorder.wait_for(1)
    reload(home, lambda: home.places(threshold=0.95))
    home.microphone.say_on()
    home.microphone.hear(QUIET, QUIET, QUIET, QUIET)  # the next places would hear the last word again
    wait_until(home.microphone.sound.empty)
    reload(home, lambda: home.places(threshold=0.7))
    home.microphone.say_on()
    home.microphone.sound.put(None)
    home.wait()
    assert home.recorder.heard == ["on", "on"]
    assert [told for told in home.observer.told if told.startswith("relo")] == ["reloading", "reloaded: None"] * 2


@pytest.mark.parametrize("problem", [UsageError("kws.toml: nonsense"), RuntimeError("a defect")])
def test_what_is_wrong_changes_nothing(
    start: Callable[..., Home], caplog: pytest.LogCaptureFixture, problem: Exception
) -> None:
    home = start()
    home.microphone.say_on()
    home.recorder.wait_for(1)

    def fail() -> list[Place]:
        raise problem

    reload(home, fail)
    home.microphone.say_on()
    home.recorder.wait_for(2)
    assert home.microphone.opened == 1
    assert len([record for record in caplog.records if "the configuration stays as it was" in record.message]) == 1


def test_a_source_that_is_new_begins_and_one_that_is_gone_ends(start: Callable[..., Home]) -> None:
    hall, attic = Microphone(), Microphone()
    home = start(others={"hall": hall})
    hall.say_on()
    home.recorder.wait_for(1)
    hall.sound.put(None)  # wakes the thread that waits for it
    home.others = {"attic": attic}
    reload(home)
    assert [listener.place.site for listener in home.service.listeners] == ["kitchen", "attic"]
    attic.say_on()
    home.recorder.wait_for(2)
    home.microphone.say_on()
    home.recorder.wait_for(3)
    assert home.microphone.opened == 1
    assert hall.closed.is_set()
