"""A microphone, on a real capture path if there is one."""

from __future__ import annotations

import itertools
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from kws.audio.microphone import Microphone, block_seconds
from kws.audio.portaudio import process as recorder
from kws.errors import AudioError, UsageError
from kws.types import AudioBlock, Float32Array
from tests.support.sound_server import SoundServer
from tests.support.sounds import amplitude, tone

#: Records a second of 16 kHz from the first sample that is not zero; writes it and what it learned.
RECORD = """if True:
    import json, sys
    import numpy as np
    from kws.audio.microphone import Microphone
    from kws.audio.resample import Resampler

    device, options, path = sys.argv[1] or None, json.loads(sys.argv[2]), sys.argv[3]
    with Microphone(device, **options) as microphone:
        heard, position, gaps = [], 0, 0
        for block in Resampler(microphone.rate).stream(microphone.blocks()):
            gaps += block.position != position
            position = block.end
            if heard or block.samples.any():
                heard.append(block.samples)
            if sum(map(len, heard)) >= 16000 or position > 30 * 16000:
                break
    np.save(path, np.concatenate([np.zeros(0, np.float32), *heard]))
    print(json.dumps([microphone.name, microphone.rate, microphone.overruns + microphone.drops, gaps]))
    """

#: The beginning of the other scripts.
BEGIN = """if True:
    import os, signal, subprocess, sys, threading, time
    from kws.errors import KwsError
    from kws.audio.microphone import Microphone
    from kws.audio.portaudio.devices import list_devices

    def attempt(action, *arguments):
        try:
            action(*arguments)
        except KwsError as error:
            print(type(error).__name__, error, flush=True)

    def listen(microphone, heard=lambda microphone: None):
        with microphone:
            for block in microphone.blocks():
                if block.position == 0:
                    print("heard", flush=True)
                    heard(microphone)

    def first(microphone):
        with microphone:
            block = next(microphone.blocks())
            print("heard", microphone.name, microphone.rate, block.position, len(block.samples), flush=True)

    def pactl(*command):
        subprocess.run(["pactl", *command], stdout=subprocess.DEVNULL, check=True)
    """

HEARD = "heard room, ALSA 16000 0 1600"


def start(server: SoundServer, *lines: str) -> subprocess.Popen[str]:
    return server.python("\n".join((BEGIN, *(f"    {line}" for line in lines))))


def run(server: SoundServer, *lines: str) -> list[str]:
    """Return the output of a script, to which ALSA and PortAudio add nothing."""
    program = start(server, *lines)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, err) == (0, "")
    return out.splitlines()


def record(server: SoundServer, folder: Path, device: str, options: dict[str, int]) -> tuple[Float32Array, list[Any]]:
    path = folder / "recorded.npy"
    program = server.python(RECORD, device, json.dumps(options), path)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, err) == (0, "")
    samples: Float32Array = np.load(path)
    return samples, json.loads(out)


def two_tones(folder: Path, rate: int) -> Path:
    """A long recording: 1 kHz at 0.5 on the left, 2 kHz at 0.25 on the right."""
    path = folder / f"tones_{rate}.wav"
    soundfile.write(path, np.stack((tone(1000, rate, 60), tone(2000, rate, 60, 0.25)), axis=1), rate)
    return path


@pytest.mark.parametrize(
    ("hop", "block"), [(0.01, 0.01), (0.06, 0.06), (0.1, 0.1), (0.12, 0.12), (0.2, 0.1), (0.3, 0.1), (0.5, 0.1)]
)
def test_windows_end_as_blocks_do(hop: float, block: float) -> None:
    assert block_seconds(hop) == pytest.approx(block)


@pytest.mark.parametrize("options", [{"channel": 0}, {"rate": 0}, {"timeout": 0}, {"buffer": -1}, {"hop": 0}])
def test_options_that_cannot_be(options: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        Microphone("x", **options)


def test_sound_that_waits_is_one_block_up_to_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    microphone = Microphone("x")
    monkeypatch.setattr(microphone, "_start", lambda: setattr(microphone, "_connection", ours))
    sound = np.arange(100, dtype="<f4")
    with ours, theirs:
        theirs.send(recorder.OPENED + b'{"name": "x", "rate": 16000, "channels": 2}')
        for position in (0, 5, 10, 15, 20, 25, 40, 45):
            head = recorder.HEAD.pack(recorder.SOUND, position, position // 30, time.monotonic())
            theirs.send(head + sound[2 * position : 2 * position + 10].tobytes())
        theirs.send(recorder.FAILED + b'[3, "the end"]')
        blocks: list[AudioBlock] = []
        with microphone, pytest.raises(AudioError, match="the end"):
            blocks.extend(microphone.blocks())
    # Four packets at most; 0.5 is the mean of the channels 0 and 1.
    assert [(block.position, block.samples.tolist()) for block in blocks] == [
        (start, [2 * n + 0.5 for n in range(start, end)]) for start, end in ((0, 20), (20, 30), (40, 50))
    ]
    assert (microphone.overruns, microphone.drops) == (1, 0)


@pytest.mark.process
def test_without_portaudio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """python-sounddevice raises OSError if it finds no library; so does the one that is put before it."""
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), *sys.path)))
    with pytest.raises(AudioError) as caught, Microphone():
        pass
    assert str(caught.value) == (
        "microphones need PortAudio (Debian: apt install libportaudio2): PortAudio library not found"
    )


@pytest.mark.microphone
@pytest.mark.parametrize(
    ("device", "options", "name", "tones"),
    [
        ("", {}, "default, ALSA", (0.25, 0.125)),
        ("ROOM", {"channel": 1}, "room, ALSA", (0.5, 0)),
        ("studio", {"rate": 44100}, "studio, ALSA", (0.25, 0.125)),
        ("studio, ALSA", {"rate": 44100, "channel": 2}, "studio, ALSA", (0, 0.25)),
    ],
)
def test_a_tone_that_is_played_is_heard(  # noqa: PLR0917
    sound_server: SoundServer,
    tmp_path: Path,
    device: str,
    options: dict[str, int],
    name: str,
    tones: tuple[float, float],
) -> None:
    for sink in ("room", "studio"):
        sound_server.play(two_tones(tmp_path, 44100), sink=sink)
    samples, facts = record(sound_server, tmp_path, device, options)
    assert facts == [name, options.get("rate", 16000), 0, 0]
    middle = samples[4000:12000]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert np.argmax(spectrum) * 2 == (1000 if tones[0] else 2000)
    assert amplitude(middle, 1000, 16000) == pytest.approx(tones[0], abs=0.005)
    assert amplitude(middle, 2000, 16000) == pytest.approx(tones[1], abs=0.005)


@pytest.mark.microphone
def test_the_devices_that_are_there(sound_server: SoundServer) -> None:
    lines = run(
        sound_server, "for d in list_devices(): print(d.name, d.system_name, d.channels, d.rate, d.is_default, sep='|')"
    )
    assert "room, ALSA|room, ALSA|32|44100|False" in lines
    assert "studio, ALSA|studio, ALSA|32|44100|False" in lines
    assert "default, ALSA|default, ALSA|32|44100|True" in lines


@pytest.mark.microphone
@pytest.mark.parametrize(
    ("microphone", "error"),
    [
        ("'attic'", r'AbsentError no microphone is called "attic"; there are .*"room, ALSA", "studio, ALSA".*'),
        ("'o'", r'UsageError "o" may be any of "room, ALSA", "studio, ALSA"; give more of the name, or the index'),
        ("'room', channel=33", "OptionError channel: room, ALSA has 32 channels, there is no channel 33"),
        ("'room', rate=10**7", "AudioError room, ALSA cannot be opened at 10000000 samples per second: .+"),
    ],
)
def test_what_cannot_be_opened(sound_server: SoundServer, microphone: str, error: str) -> None:
    [line] = run(sound_server, f"attempt(first, Microphone({microphone}))")
    assert re.fullmatch(error, line)


@pytest.mark.microphone
def test_a_microphone_that_is_unplugged_and_comes_back(sound_server: SoundServer) -> None:
    lines = run(
        sound_server,
        "microphone = Microphone('room')",
        "unplug = lambda _: pactl('unload-module', 'module-null-sink')",
        "attempt(listen, microphone, unplug)",
        "attempt(listen, microphone)",
        "pactl('load-module', 'module-null-sink', 'sink_name=room')",
        "attempt(listen, microphone, unplug)",
    )
    ended = "AudioError room, ALSA ended the recording; is it still plugged in?"
    assert lines[:2] == lines[3:] == ["heard", ended]
    assert re.fullmatch("AudioError room, ALSA cannot be opened at 16000 or 44100 samples per second: .*", lines[2])


@pytest.mark.microphone
def test_a_microphone_that_is_new_is_found_while_another_is_open(sound_server: SoundServer) -> None:
    lines = run(
        sound_server,
        "attic = Microphone('attic')",
        "with Microphone('room') as room:",
        "    blocks = room.blocks()",
        "    position = next(blocks).end",
        "    attempt(first, attic)",
        "    with open(os.path.expanduser('~/.asoundrc'), 'a') as file:",
        "        print('pcm.attic { type pulse device \"room.monitor\" }', file=file)",
        "    first(attic)",
        "    print(next(blocks).end > position)",
    )
    assert lines[0].startswith("AbsentError ")
    assert lines[1:] == ["heard attic, ALSA 16000 0 1600", "True"]


@pytest.mark.microphone
def test_it_is_opened_again_also_after_its_process_was_killed(sound_server: SoundServer) -> None:
    lines = run(
        sound_server,
        "def kill(microphone): os.kill(microphone._process.pid, signal.SIGKILL)",
        "microphone = Microphone('room')",
        "first(microphone)",
        "attempt(listen, microphone, kill)",
        "first(microphone)",
    )
    assert lines == [HEARD, "heard", "AudioError room, ALSA: the process that records has ended", HEARD]


@pytest.mark.microphone
def test_a_sound_server_that_hangs(sound_server: SoundServer) -> None:
    program = start(sound_server, "attempt(listen, Microphone('room', timeout=0.5))", "print('end')")
    assert program.stdout is not None
    assert program.stdout.readline() == "heard\n"
    sound_server.freeze()
    out, err = program.communicate(timeout=60)
    assert (program.returncode, err) == (0, "")
    assert out.splitlines() == [
        "AudioError room, ALSA delivered no sound for 0.5 s; is it still plugged in?",
        "end",
    ]


@pytest.mark.microphone
def test_a_reader_that_comes_late_gets_the_newest_sound(sound_server: SoundServer) -> None:
    lines = run(
        sound_server,
        "with Microphone('room', buffer=0.5) as room:",
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
        "room = Microphone('room')",
        "with room:",
        "    blocks = room.blocks()",
        "    next(blocks)",
        "    os.kill(room._process.pid, signal.SIGSTOP)  # it hangs",
        "    threading.Timer(0.5, room.interrupt).start()",
        "    begun = time.monotonic()",
        "    for _ in blocks: pass",
        "    print(time.monotonic() - begun < 1.5)",
        "print(room._process.returncode)",
        "attempt(first, room)",
    )
    assert lines == ["True", "-9", "AudioError room, ALSA was closed"]


@pytest.mark.microphone
@pytest.mark.parametrize("hangs", [False, True])
def test_the_process_ends_with_the_one_that_started_it(sound_server: SoundServer, *, hangs: bool) -> None:
    program = start(
        sound_server,
        "with Microphone('room') as room:",
        "    next(room.blocks())",
        "    print(room._process.pid, flush=True)",
        "    for _ in room.blocks(): pass",
    )
    assert program.stdout
    child = int(program.stdout.readline())
    if hangs:
        sound_server.freeze()  # so that PortAudio does not close the stream
    program.kill()
    program.wait()
    subprocess.run(["timeout", "10", "tail", f"--pid={child}", "-f", "/dev/null"], check=True)


@pytest.mark.microphone
def test_only_the_plug_in_of_the_open_device_stays_loaded(sound_server: SoundServer) -> None:
    lines = run(
        sound_server,
        "import re",
        "with Microphone('room') as room:",
        "    next(room.blocks())",
        "    with open(f'/proc/{room._process.pid}/maps') as maps:",
        "        print(set(re.findall('libasound_module_[a-z0-9_]+', maps.read())))",
    )
    assert lines == ["{'libasound_module_pcm_pulse'}"]


@pytest.mark.microphone
@pytest.mark.parametrize(("rate", "sizes"), [(16000, [1600, 1600, 1600]), (44100, [1984, 4410, 4410])])
def test_the_first_block_is_shorter_if_the_sound_is_resampled(
    sound_server: SoundServer, rate: int, sizes: list[int]
) -> None:
    [line] = run(
        sound_server,
        f"with Microphone('studio', rate={rate}, hop=0.1) as studio:",
        "    packets = [studio._sound(studio._receive(5, '')) for _ in range(3)]",
        "print([(packet.position, packet.end) for packet in packets])",
    )
    ends = list(itertools.accumulate(sizes))
    assert line == str(list(itertools.pairwise([0, *ends])))
