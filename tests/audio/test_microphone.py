from __future__ import annotations

import json
import re
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from queue import Empty
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from kws.audio.microphone import Capture, Microphone, block_under
from kws.audio.portaudio.devices import Device
from kws.audio.portaudio.stream import InputStream, channels_to_open
from kws.errors import AudioError, UsageError
from kws.types import Float32Array
from tests.support.sound_server import SoundServer
from tests.support.sounds import amplitude, tone

FINE = SimpleNamespace(input_overflow=False)
OVERFLOW = SimpleNamespace(input_overflow=True)

DEVICE = Device(name="x", system_name="x", index=0, channels=2, rate=48000, is_default=True)

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
    print(json.dumps([microphone.name, microphone.rate, microphone.lost, gaps]))
    """

#: Prints an error for users as the command line does.
LISTEN = """if True:
    import subprocess, sys, threading, time
    from kws.errors import KwsError
    from kws.audio.microphone import Microphone
    from kws.audio.portaudio.devices import list_devices, refresh_devices

    def listen(microphone, heard=lambda microphone: None):
        with microphone:
            for block in microphone.blocks():
                if block.position == 0:
                    print("heard", flush=True)
                    heard(microphone)

    def pactl(*command):
        subprocess.run(["pactl", *command], stdout=subprocess.DEVNULL, check=True)

    def attempt(action, *arguments):
        try:
            action(*arguments)
        except KwsError as error:
            print("error:", error, type(error).exit_code, flush=True)
        except KeyboardInterrupt:
            print("interrupted")
    """


def script(*lines: str) -> str:
    return "\n".join((LISTEN, *(f"    {line}" for line in lines)))


def finish(program: subprocess.Popen[str], *, warnings: tuple[str, ...] = ()) -> list[str]:
    """What a program prints until it ends of its own accord, with these warnings and no other."""
    out, err = program.communicate(timeout=60)
    # PortAudio prints the calls that failed.
    assert [line for line in err.splitlines() if not line.startswith("Expression ")] == list(warnings)
    assert program.returncode == 0
    return out.splitlines()


def record(server: SoundServer, folder: Path, device: str, options: dict[str, int]) -> tuple[Float32Array, list[Any]]:
    path = folder / "recorded.npy"
    [line] = finish(server.python(RECORD, device, json.dumps(options), path))
    samples: Float32Array = np.load(path)
    return samples, json.loads(line)


def two_tones(folder: Path, rate: int) -> Path:
    """A long recording: 1 kHz at 0.5 on the left, 2 kHz at 0.25 on the right."""
    path = folder / f"tones_{rate}.wav"
    soundfile.write(path, np.stack((tone(1000, rate, 60), tone(2000, rate, 60, 0.25)), axis=1), rate)
    return path


@pytest.mark.parametrize(
    ("hop", "block"), [(0.01, 0.01), (0.06, 0.06), (0.1, 0.1), (0.12, 0.06), (0.2, 0.1), (0.3, 0.1), (0.5, 0.1)]
)
def test_windows_end_as_blocks_do(hop: float, block: float) -> None:
    assert block_under(hop) == pytest.approx(block)


def test_blocks_pass_in_order_with_their_positions() -> None:
    capture = Capture(keep=10)
    data = bytearray(b"12345678")
    capture.callback(memoryview(data), 2, None, FINE)
    data[:] = b"abcdefgh"  # PortAudio uses its buffer again
    capture.callback(memoryview(data), 2, None, FINE)
    assert capture.get(timeout=1) == (0, b"12345678")
    assert capture.get(timeout=1) == (2, b"abcdefgh")
    with pytest.raises(Empty):
        capture.get(timeout=0.001)
    capture.end()
    assert capture.get(timeout=1) is None
    assert capture.lost == 0


def test_of_more_than_may_wait_the_oldest_is_lost_and_counted() -> None:
    capture = Capture(keep=2)
    for _ in range(5):
        capture.callback(b"1234", 1, None, FINE)
    assert capture.lost == 3
    assert [capture.get(timeout=1), capture.get(timeout=1)] == [(3, b"1234"), (4, b"1234")]
    capture.callback(b"1234", 1, None, FINE)
    assert capture.get(timeout=1) == (5, b"1234")


def test_an_overflow_of_the_system_is_a_gap_of_one_block() -> None:
    capture = Capture(keep=2)
    capture.callback(b"12345678", 2, None, FINE)
    capture.callback(b"12345678", 2, None, OVERFLOW)
    assert [capture.get(timeout=1), capture.get(timeout=1)] == [(0, b"12345678"), (4, b"12345678")]
    assert (capture.lost, capture.overruns) == (2, 1)


def test_an_error_in_the_callback_reaches_the_reader() -> None:
    capture = Capture(keep=2)
    capture.callback(None, 2, None, FINE)
    with pytest.raises(TypeError, match="NoneType"):
        capture.get(timeout=1)


@pytest.mark.parametrize(
    ("available", "channel", "opened"),
    [
        (1, None, 1),
        (2, None, 2),
        (2, 1, 2),
        (6, 3, 6),
        (8, None, 8),
        (32, None, 1),
        (32, 1, 2),
        (32, 2, 2),
        (128, 5, 5),
    ],
)
def test_channels_that_are_opened(available: int, channel: int | None, opened: int) -> None:
    assert channels_to_open(replace(DEVICE, channels=available), channel) == opened


class Hardware:
    """Stands for python-sounddevice with a device that has these rates only, as bare hardware does."""

    class PortAudioError(Exception):
        pass

    def __init__(self, *rates: int) -> None:
        self._rates = rates

    def check_input_settings(self, *, samplerate: int, **_: object) -> None:
        if samplerate not in self._rates:
            raise self.PortAudioError("Invalid sample rate [PaErrorCode -9997]")


def stream(rate: int | None) -> InputStream:
    return InputStream("x", Capture(keep=1), channel=None, rate=rate, preferred=16000, block=0.1)


@pytest.mark.parametrize(
    ("wanted", "rates", "chosen"),
    [(None, (16000, 48000), 16000), (None, (44100, 48000), 48000), (44100, (16000, 44100, 48000), 44100)],
)
def test_the_rate_is_16_khz_if_possible(wanted: int | None, rates: tuple[int, ...], chosen: int) -> None:
    assert stream(wanted)._choose_rate(DEVICE, Hardware(*rates)) == chosen


@pytest.mark.parametrize(("wanted", "tried"), [(None, "16000 or 48000"), (44100, "44100")])
def test_a_rate_that_the_device_has_not(wanted: int | None, tried: str) -> None:
    with pytest.raises(AudioError) as caught:
        stream(wanted)._choose_rate(DEVICE, Hardware(8000))
    assert str(caught.value) == (
        f"x cannot be opened at {tried} samples a second: Invalid sample rate [PaErrorCode -9997]"
    )


@pytest.mark.parametrize("options", [{"channel": 0}, {"rate": 0}, {"timeout": 0}, {"buffer": -1}, {"hop": 0}])
def test_options_that_cannot_be(options: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        Microphone("x", **options)


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
    lines = finish(
        sound_server.python(
            script("for d in list_devices(): print(d.name, d.system_name, d.channels, d.rate, d.is_default, sep='|')")
        )
    )
    assert "room, ALSA|room, ALSA|32|44100|False" in lines
    assert "studio, ALSA|studio, ALSA|32|44100|False" in lines
    assert "default, ALSA|default, ALSA|32|44100|True" in lines


@pytest.mark.microphone
@pytest.mark.parametrize(
    ("microphone", "error"),
    [
        ("'attic'", r'no microphone is called "attic"; there are .*"room, ALSA", "studio, ALSA".* 2'),
        ("'o'", r'"o" may be any of "room, ALSA", "studio, ALSA"; give more of the name, or the index 2'),
        ("'room', channel=33", "room, ALSA has 32 channels, there is no channel 33 2"),
        ("'room', rate=10**7", "room, ALSA cannot be opened at 10000000 samples a second: .+ 1"),
    ],
)
def test_what_cannot_be_opened(sound_server: SoundServer, microphone: str, error: str) -> None:
    [line] = finish(sound_server.python(script(f"attempt(listen, Microphone({microphone}))")))
    assert re.fullmatch("error: " + error, line)


@pytest.mark.microphone
def test_a_microphone_that_is_unplugged_and_comes_back(sound_server: SoundServer) -> None:
    program = sound_server.python(
        script(
            "unplug = lambda _: pactl('unload-module', 'module-null-sink')",
            "attempt(listen, Microphone('room'), unplug)",
            "attempt(listen, Microphone('room'))",
            "pactl('load-module', 'module-null-sink', 'sink_name=room')",
            "refresh_devices()",
            "attempt(listen, Microphone('room'), unplug)",
        )
    )
    ended = "error: room, ALSA ended the recording; is it still plugged in? 1"
    lines = finish(program)
    assert lines[:2] == lines[3:] == ["heard", ended]
    assert re.fullmatch("error: room, ALSA cannot be opened at 16000 or 44100 samples a second: .* 1", lines[2])


@pytest.mark.microphone
def test_a_device_that_is_new(sound_server: SoundServer) -> None:
    program = sound_server.python(
        script(
            "import pathlib",
            "before = list_devices()",
            "with (pathlib.Path.home() / '.asoundrc').open('a') as file:",
            "    print('pcm.attic { type pulse device \"room.monitor\" }', file=file)",
            "print(list_devices() == before)",
            "refresh_devices()",
            "print(sorted({device.name for device in list_devices()} - {device.name for device in before}))",
        )
    )
    assert finish(program) == ["True", "['attic, ALSA']"]


@pytest.mark.microphone
def test_a_sound_server_that_hangs(sound_server: SoundServer) -> None:
    program = sound_server.python(
        script("attempt(listen, Microphone('room', timeout=0.5))", "attempt(refresh_devices)", "print('end')")
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "heard\n"
    sound_server.freeze()
    assert finish(program, warnings=("room, ALSA does not close; the sound system hangs",)) == [
        "error: room, ALSA delivered no sound for 0.5 s; is it still plugged in? 1",
        "error: PortAudio cannot look for microphones while one is open 1",
        "end",
    ]


@pytest.mark.microphone
def test_an_interrupt_ends_it(sound_server: SoundServer) -> None:
    program = sound_server.python(script("attempt(listen, Microphone('room'))"))
    assert program.stdout is not None
    assert program.stdout.readline() == "heard\n"
    program.send_signal(signal.SIGINT)
    assert finish(program) == ["interrupted"]


@pytest.mark.microphone
def test_another_thread_may_close_it(sound_server: SoundServer) -> None:
    program = sound_server.python(
        script(
            "microphone = Microphone('room')",
            "attempt(listen, microphone, lambda m: threading.Thread(target=m.close).start())",
            "microphone.close()",
            "print('end')",
        )
    )
    assert finish(program) == ["heard", "end"]


@pytest.mark.microphone
def test_portaudio_does_not_restart_under_an_open_microphone(sound_server: SoundServer) -> None:
    program = sound_server.python(
        script(
            "with Microphone('room'): attempt(refresh_devices)",
            "attempt(refresh_devices)",
        )
    )
    assert finish(program) == ["error: PortAudio cannot look for microphones while one is open 1"]


@pytest.mark.microphone
def test_a_reader_that_comes_too_late_sees_a_gap(sound_server: SoundServer) -> None:
    program = sound_server.python(
        script(
            "with Microphone('room', buffer=0.1) as microphone:",
            "    blocks = microphone.blocks()",
            "    first = next(blocks)",
            "    position = first.end",
            "    while not microphone.lost:",
            "        time.sleep(0.01)",
            "    gap = 0",
            "    while not gap:",
            "        block = next(blocks)",
            "        gap, position = block.position - position, block.end",
            "    print(first.position + gap == microphone.lost, gap % 800)",
        )
    )
    assert finish(program) == ["True 0"]


@pytest.mark.microphone
@pytest.mark.parametrize(("rate", "block", "keep"), [(16000, 1600, 5), (44100, 2205, 10)])
def test_where_sound_is_resampled_blocks_are_half_as_long_and_twice_as_many_wait(
    sound_server: SoundServer, rate: int, block: int, keep: int
) -> None:
    program = sound_server.python(
        script(
            f"with Microphone('studio', rate={rate}, hop=0.1, buffer=0.5) as microphone:",
            "    print(len(next(microphone.blocks()).samples), microphone._capture.keep)",
        )
    )
    assert finish(program) == [f"{block} {keep}"]
