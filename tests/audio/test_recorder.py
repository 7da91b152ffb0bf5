"""A microphone in a process of its own, on a real capture path where one is there."""

from __future__ import annotations

import subprocess

import pytest

from kws.audio.recorder import IsolatedMicrophone
from kws.errors import UsageError
from tests.support.sound_server import SoundServer

#: What every script here begins with: it prints errors, and has a microphone that it opens again and again.
BEGIN = """if True:
    import os, signal, subprocess, sys, threading, time
    from kws.errors import KwsError
    from kws.audio.portaudio.devices import AbsentError
    from kws.audio.recorder import IsolatedMicrophone

    def first(microphone):
        try:
            with microphone:
                block = next(microphone.blocks())
                print("heard", microphone.name, microphone.rate, block.position, len(block.samples), flush=True)
        except KwsError as error:
            print(type(error).__name__, error, flush=True)

    def pactl(*command):
        subprocess.run(["pactl", *command], stdout=subprocess.DEVNULL, check=True)
    """

HEARD = "heard room, ALSA 16000 0 1600"


def run(server: SoundServer, *lines: str) -> list[str]:
    """What a script prints; nothing that ALSA or PortAudio has to say is among it."""
    program = server.python("\n".join((BEGIN, *(f"    {line}" for line in lines))))
    out, err = program.communicate(timeout=60)
    assert (program.returncode, err) == (0, "")
    return out.splitlines()


@pytest.mark.parametrize("options", [{"channel": 0}, {"rate": 0}, {"timeout": 0}, {"buffer": -1}, {"hop": 0}])
def test_options_that_cannot_be(options: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        IsolatedMicrophone("x", **options)


@pytest.mark.microphone
def test_it_is_opened_again_by_the_same_process_and_after_a_failure_by_another(sound_server: SoundServer) -> None:
    lines = run(
        sound_server,
        "microphone = IsolatedMicrophone('room')",
        "first(microphone)",
        "process = microphone._process.pid",
        "first(microphone)",
        "print(process == microphone._process.pid)",
        "os.kill(process, signal.SIGKILL)",
        "time.sleep(0.2)",
        "first(microphone)",
        "first(microphone)",
        "print(process == microphone._process.pid)",
    )
    assert lines[:3] == [HEARD, HEARD, "True"]
    assert lines[3].startswith("AudioError room, ALSA: ")
    assert lines[4:] == [HEARD, "False"]


@pytest.mark.microphone
def test_what_the_process_says_is_raised_as_what_it_is(sound_server: SoundServer) -> None:
    lines = run(
        sound_server,
        "first(IsolatedMicrophone('attic'))",
        "first(IsolatedMicrophone('room', channel=33))",
        "first(IsolatedMicrophone('room', rate=10**7))",
    )
    assert lines[0].startswith('AbsentError no microphone is called "attic"; there are ')
    assert lines[1] == "UsageError room, ALSA has 32 channels, there is no channel 33"
    assert lines[2].startswith("AudioError room, ALSA cannot be opened at 10000000 samples a second: ")


@pytest.mark.microphone
def test_a_microphone_that_is_new_is_found_while_another_is_open(sound_server: SoundServer) -> None:
    lines = run(
        sound_server,
        "attic = IsolatedMicrophone('attic')",
        "with IsolatedMicrophone('room') as room:",
        "    blocks = room.blocks()",
        "    position = next(blocks).end",
        "    first(attic)",
        "    with open(os.path.expanduser('~/.asoundrc'), 'a') as file:",
        "        print('pcm.attic { type pulse device \"room.monitor\" }', file=file)",
        "    first(attic)",
        "    print(next(blocks).end > position)",
    )
    assert lines[0].startswith("AbsentError ")
    assert lines[1:] == ["heard attic, ALSA 16000 0 1600", "True"]


@pytest.mark.microphone
def test_a_reader_that_comes_late_gets_the_newest_half_second(sound_server: SoundServer) -> None:
    lines = run(
        sound_server,
        "with IsolatedMicrophone('room') as room:",
        "    blocks = room.blocks()",
        "    end = [next(blocks).end for _ in range(25)][-1]",
        "    begun = time.monotonic()",
        "    time.sleep(4)",
        "    late = next(blocks)",
        "    behind = time.monotonic() - begun - (late.position - end) / 16000",
        "    print(behind < 0.7 or behind, room.drops > 0)",
    )
    assert lines == ["True True"]


@pytest.mark.microphone
def test_another_thread_may_end_it_whatever_it_waits_for(sound_server: SoundServer) -> None:
    lines = run(
        sound_server,
        "room = IsolatedMicrophone('room')",
        "with room:",
        "    blocks = room.blocks()",
        "    next(blocks)",
        "    os.kill(room._process.pid, signal.SIGSTOP)  # it hangs",
        "    threading.Timer(0.5, room.interrupt).start()",
        "    begun = time.monotonic()",
        "    for _ in blocks: pass",
        "    print(time.monotonic() - begun < 1.5)",
        "first(room)",
    )
    assert lines == ["True", "AudioError room, ALSA was closed"]


@pytest.mark.microphone
def test_the_process_ends_with_the_one_that_started_it(sound_server: SoundServer) -> None:
    program = sound_server.python(
        f"{BEGIN}\n    with IsolatedMicrophone('room') as room:\n"
        "        print(room._process.pid, flush=True)\n        for _ in room.blocks(): pass"
    )
    assert program.stdout
    child = int(program.stdout.readline())
    program.kill()
    program.wait()
    subprocess.run(["timeout", "10", "tail", f"--pid={child}", "-f", "/dev/null"], check=True)
