"""The service on a real capture path: microphones that go away, are not there, and lie."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.broker import Broker, Subscriber
from tests.support.house import House, source
from tests.support.sound_server import SoundServer, sound_server_in_a_folder

pytestmark = pytest.mark.microphone

Move = Callable[..., House]

#: For a source whose sound comes late on a busy machine.
PATIENT = "[source.watch]\nstall = 30\nbacklog = 10\n"


@pytest.fixture
def house(
    tmp_path: Path, stopped_sound_server: SoundServer, broker: Broker, subscriber: Subscriber, model_folder: Path
) -> Iterator[Move]:
    """Starts a service, with these tables in its configuration."""

    def house(*tables: str, server: bool = True, elsewhere: dict[str, SoundServer] | None = None) -> House:
        if server:
            stopped_sound_server.start()
        stopped_sound_server.name({"room": "room"}, elsewhere)
        config = "\n".join(tables)
        return House(tmp_path, stopped_sound_server, broker, subscriber, config, model=model_folder)

    yield house
    stopped_sound_server.stop()


@pytest.fixture
def other_server() -> Iterator[SoundServer]:
    with sound_server_in_a_folder() as server:
        server.start()
        yield server


def test_unplugged_during_speech_and_renamed_meanwhile(house: Move) -> None:
    home = house(source())
    home.speak()
    home.next_word(0)
    home.wait_status("online")
    home.sound.unplug()
    home.wait_status("offline")
    home.wait(lambda: home.trouble() is not None, "a trouble")
    # Back under another number and a longer name, as a USB port has it: only a list that is read again has that.
    home.sound.name({"other": "studio", "studio": "studio", "bedroom": "room"})
    home.sound.plug("room")
    back = time.monotonic()
    home.speak()
    home.next_word(back)
    home.wait(lambda: home.status() == "online" and home.trouble() is None, "health")
    assert home.health()["source"] == "bedroom, ALSA"
    assert home.health()["reconnects"] == 1
    code, log, _ = home.end()
    assert code == 0
    changes = [line for line in log if "nothing is heard" in line or "listening" in line]
    assert changes[1].startswith("kws: nothing is heard: room, ALSA "), log
    assert changes[2].startswith("kws: listening to bedroom, ALSA again, after "), log


def test_a_service_that_starts_before_the_sound_server(house: Move) -> None:
    home = house(source(), server=False)
    home.wait(lambda: bool(home.subscriber.on("kws/kitchen/health")) and home.trouble() != "no sound yet", "trouble")
    assert home.status() == "offline"
    home.sound.start()
    home.sound.unplug()  # the server is there, the microphone is not
    time.sleep(0.5)
    assert home.status() == "offline"
    home.sound.plug("room")
    back = time.monotonic()
    home.speak()
    home.next_word(back)
    home.wait_status("online")
    code, log, _ = home.end()
    assert code == 0
    assert len([line for line in log if line.startswith("kws: nothing is heard: ")]) == 1, log


def test_a_sound_server_that_hangs_and_one_that_dies(house: Move) -> None:
    home = house(source())
    home.speak()
    home.next_word(0)
    home.sound.freeze()
    home.wait_status("offline")
    home.sound.thaw()
    back = time.monotonic()
    home.next_word(back)
    home.wait_status("online")
    home.sound.kill()
    home.wait_status("offline")
    home.sound.start()
    back = time.monotonic()
    home.speak()
    home.next_word(back)
    home.wait_status("online")


def test_a_microphone_that_delivers_zeros(house: Move) -> None:
    home = house(source(), "[watch]\nsilence = 1.0")
    home.speak()
    home.next_word(0)
    home.wait_status("online")
    home.hush()
    assert home.wait_status("offline")  # nothing plays: all zeros
    home.wait(lambda: home.trouble() == "room, ALSA delivers nothing but zeros; is it muted?", "trouble")
    windows = home.health()["windows"]
    back = time.monotonic()
    home.speak()
    home.next_word(back)
    home.wait_status("online")
    assert home.health()["windows"] > windows


def test_stopped_for_a_while_it_hears_what_is_said_now(house: Move) -> None:
    home = house(source())
    home.speak()
    home.next_word(0)
    home.program.send_signal(signal.SIGSTOP)
    time.sleep(3.0)
    home.program.send_signal(signal.SIGCONT)
    back = time.monotonic()
    home.next_word(back)
    home.wait(lambda: home.health()["gaps"] > 0, "gaps")
    assert home.health()["dropped_samples"] > 2 * 16000  # what is kept of three seconds is half a one


def test_two_microphones_and_one_that_dies(house: Move, other_server: SoundServer) -> None:
    home = house(source() + PATIENT, source("hall", "attic"), elsewhere={"attic": other_server})
    home.speak()
    home.speak(other_server)
    home.next_word(0, "kitchen")
    home.next_word(0, "hall")
    other_server.unplug()
    home.wait_status("offline", "hall")
    died = time.monotonic()
    home.next_word(home.next_word(died).at)
    other_server.plug("room")
    back = time.monotonic()
    home.speak(other_server)
    home.next_word(back, "hall")
    statuses = [heard.payload for heard in home.subscriber.on("kws/kitchen/status")]
    assert "offline" not in statuses[statuses.index("online") :]
    assert home.health("kitchen")["reconnects"] == 0


def test_a_reload_keeps_the_microphone_open_and_publishes_nothing_twice(house: Move) -> None:
    home = house(source() + PATIENT)
    home.speak()
    first = home.next_word(0)
    for number in range(3):
        home.configure(source(keyword={}) + PATIENT + f"[decision]\nrefractory = 0.{3 + number}\n")
        home.reload()
        home.subscriber.wait("kws/kitchen/state/threshold/on", count=number + 2)
        home.subscriber.wait("kws/kitchen/detection", count=2 * number + 2)
    home.configure("[nonsense]")
    home.reload()
    last = home.next_word(time.monotonic() + 1)
    positions = [heard.fields["end"] for heard in home.subscriber.on("kws/kitchen/detection")]
    steps = [after - before for before, after in pairwise(positions)]
    assert min(steps) > 0.3, positions  # of one opening of the microphone, in which "on" comes once a second
    assert home.health()["reconnects"] == 0
    assert last.at > first.at
    code, log, _ = home.end()
    assert code == 0
    [refusal] = [line for line in log if line.endswith("(the configuration stays as it was)")]
    assert refusal.startswith(f"kws: {home.config}: 'nonsense' is not a table; ")


def test_a_channel_that_there_is_not_is_a_matter_of_the_configuration(house: Move) -> None:
    home = house(source(channel=33))
    _, log = home.program.communicate(timeout=60)
    assert home.program.returncode == 2
    problem = "source.channel: room, ALSA has 32 channels, there is no channel 33"
    assert log.splitlines()[-1] == f"kws: {home.config}: {problem}"
