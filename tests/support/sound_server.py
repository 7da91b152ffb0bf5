"""A sound server for tests: a microphone without hardware.

A private PulseAudio daemon has null sinks. PortAudio records the monitor of a sink through ALSA's plug-in for Pulse,
and so receives what a test plays to the sink. PortAudio reads its environment when it starts, so a program that records
needs a process of its own.
"""

from __future__ import annotations

import ctypes.util
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.support import ROOT
from tests.support.waiting import wait_until

#: Rate and channels of the null sinks, by the names under which PortAudio finds their monitors.
SINKS = {"room": (48000, 2), "studio": (44100, 2)}


class SoundServer:
    """A private PulseAudio daemon, and the environment for programs that use it.

    PortAudio finds the microphones ``room`` (48 kHz), ``studio`` (44.1 kHz stereo) and ``default``, which is ``room``.

    Args:
        folder: for its files.
        prompt: True for sinks that work in portions of 50 ms instead of two seconds, during which a new sink is silent.
            On a busy machine the sound then has gaps.

    Attributes:
        environment: environment variables for a process that plays or records.
    """

    def __init__(self, folder: Path, *, prompt: bool = False) -> None:
        self._programs: list[subprocess.Popen[str]] = []
        self._prompt = prompt
        self._process: int | None = None
        self._folder = folder
        self.home = home = folder / "home"
        runtime = folder / "run"
        home.mkdir()
        runtime.mkdir(mode=0o700)
        socket = folder / "socket"
        self.environment = os.environ | {
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home),
            "XDG_RUNTIME_DIR": str(runtime),
            "PULSE_RUNTIME_PATH": str(runtime),
            "PULSE_SERVER": f"unix:{socket}",
            "PYTHONPATH": os.pathsep.join((str(ROOT), *sys.path)),
            "PYTHONUNBUFFERED": "1",
        }
        self.environment.pop("ALSA_CONFIG_PATH", None)
        sinks = "".join(f"load-module {' '.join(self._null_sink(name))}\n" for name in SINKS)
        (folder / "script.pa").write_text(
            f"load-module module-native-protocol-unix socket={socket} auth-anonymous=1\n"
            f"{sinks}set-default-sink room\nset-default-source room.monitor\n"
        )
        self.name({name: name for name in SINKS})

    def start(self) -> None:
        """Start the server with its sinks, and wait until it runs. After a minute without clients it ends by itself."""
        subprocess.run(
            ["pulseaudio", "-n", "-F", self._folder / "script.pa", "--daemonize=yes", "--system=false",
             "--exit-idle-time=60", "--disable-shm=yes", f"--log-target=newfile:{self._folder / 'log'}"],
            env=self.environment, check=True, capture_output=True,
        )  # fmt: skip
        self._process = os.pidfd_open(int((self._folder / "run" / "pid").read_text()))

    def name(self, microphones: dict[str, str], elsewhere: dict[str, SoundServer] | None = None) -> None:
        """Make PortAudio find these microphones, in this order.

        Args:
            microphones: names, each with its sink.
            elsewhere: further names, each with another server, whose ``room`` it records.
        """
        lines = ["pcm.!default { type pulse }"]
        lines += [f'pcm.{name} {{ type pulse device "{sink}.monitor" }}' for name, sink in microphones.items()]
        lines += [
            f'pcm.{name} {{ type pulse device "room.monitor" server "{server.environment["PULSE_SERVER"]}" }}'
            for name, server in (elsewhere or {}).items()
        ]
        (self.home / ".asoundrc").write_text("\n".join(lines) + "\n")

    def run(self, *command: str | Path) -> subprocess.Popen[str]:
        """Start a program; it ends with the server at the latest."""
        program = subprocess.Popen(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._programs.append(program)
        return program

    def python(self, script: str, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start a Python script that may import kws."""
        return self.run(sys.executable, "-c", script, *arguments)

    def play(self, path: Path, *, sink: str = "room") -> subprocess.Popen[str]:
        """Start playing a file to a sink."""
        return self.run("paplay", f"--device={sink}", path)

    def rustle(self, *, sink: str = "room") -> subprocess.Popen[str]:
        """Play very faint noise for three minutes, because no real room is digitally silent."""
        path = self._folder / "rustle.wav"
        if not path.exists():
            noise = 1e-4 * np.random.default_rng(1).standard_normal(180 * 16000)
            soundfile.write(path, noise.astype(np.float32), 16000)
        return self.play(path, sink=sink)

    def wait_until_played(self) -> None:
        """Wait until a program plays something."""
        wait_until(lambda: "\n" in self._pactl("list", "short", "sink-inputs"), "sound that is played")

    def wait_until_recorded(self) -> None:
        """Wait until a program records something."""
        wait_until(lambda: "\n" in self._pactl("list", "short", "source-outputs"), "program that records")

    def unplug(self) -> None:
        """Remove all microphones. (If one stayed, the server would move recordings to it.)"""
        self._pactl("unload-module", "module-null-sink")

    def plug(self, sink: str) -> None:
        """Put a removed microphone back."""
        self._pactl("load-module", *self._null_sink(sink))

    def _null_sink(self, name: str) -> list[str]:
        rate, channels = SINKS[name]
        sink = ["module-null-sink", f"sink_name={name}", f"rate={rate}", f"channels={channels}"]
        return [*sink, "norewinds=1"] if self._prompt else sink

    def _pactl(self, *command: str) -> str:
        done = subprocess.run(["pactl", *command], env=self.environment, check=True, capture_output=True, text=True)
        return done.stdout

    def freeze(self) -> None:
        """Make the server hang; its clients are not told."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it continue."""
        self._send(signal.SIGCONT)

    def _send(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):  # it has ended by itself
                signal.pidfd_send_signal(self._process, number)

    def kill(self) -> None:
        """Kill the server; it may be started again."""
        self._end(signal.SIGKILL)
        for left in (self._folder / "socket", self._folder / "run" / "pid"):
            left.unlink(missing_ok=True)

    def stop(self) -> None:
        """End the programs and the server, and wait for them."""
        self.thaw()
        self._send(signal.SIGTERM)
        for program in self._programs:
            program.kill()
            program.communicate()
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        self._send(number)
        if self._process is not None:
            select.select([self._process], [], [], 10)
            os.close(self._process)
            self._process = None


def _missing() -> str:
    """Return what a virtual microphone lacks here, or an empty string."""
    for program in ("pulseaudio", "paplay", "pactl"):
        if shutil.which(program) is None:
            return f"needs {program}"
    if ctypes.util.find_library("portaudio") is None:
        return "needs PortAudio (libportaudio2)"
    if not any(Path("/usr").glob("lib*/**/alsa-lib/libasound_module_pcm_pulse.so")):
        return "needs ALSA's plug-in for Pulse (libasound2-plugins)"
    return ""


@contextmanager
def sound_server_in_a_folder(*, prompt: bool = False) -> Iterator[SoundServer]:
    """A :class:`SoundServer` that does not run yet."""
    # Not tmp_path, which may be too long for the name of a socket.
    with tempfile.TemporaryDirectory(prefix="kws-") as folder:
        server = SoundServer(Path(folder), prompt=prompt)
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def stopped_sound_server() -> Iterator[SoundServer]:
    """A :class:`SoundServer` that does not run yet; skips the test if programs are missing."""
    if missing := _missing():
        pytest.skip(missing)
    with sound_server_in_a_folder() as server:
        yield server


@pytest.fixture
def sound_server(stopped_sound_server: SoundServer) -> SoundServer:
    """A running :class:`SoundServer`."""
    stopped_sound_server.start()
    return stopped_sound_server
