"""``kws run`` hears a camera or a radio, says truly when it is cut off, and hears it again when it is back."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws.cli.listen import DEMO
from tests.support.broker import Broker, Heard, Subscriber, free_port
from tests.support.program import ROOT, start

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg"),
]

#: Debian's Python; it has the package gi.
PYTHON = "/usr/bin/python3"

RTSP = (PYTHON, ROOT / "tests" / "support" / "rtsp_server.py")


def has_rtsp_server() -> bool:
    code = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    try:
        return subprocess.run([PYTHON, "-c", code], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


class Station:
    """Serves the demo's first eight seconds over and over, at one URL. It can be cut off and come back."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder = folder
        port = free_port()
        self.url = f"{kind}://127.0.0.1:{port}/sound"
        recording = folder / "sound.wav"
        sound, rate = soundfile.read(DEMO, dtype="int16", stop=8 * 16000)
        soundfile.write(recording, np.tile(sound, 20), rate)
        ffmpeg = ("ffmpeg", "-v", "quiet", "-re", "-i", recording, "-f", "wav", "-listen", "1", self.url)
        self._command = (*RTSP, recording, str(port)) if kind == "rtsp" else ffmpeg
        self.process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def cut(self, how: str) -> None:
        """Stop sending: it dies, or hangs."""
        assert self.process
        self.process.send_signal(signal.SIGKILL if how == "dies" else signal.SIGSTOP)

    def end(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()


@contextmanager
def running(*arguments: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    program = start("run", *arguments, stderr=subprocess.DEVNULL)
    try:
        yield program
    finally:
        program.kill()
        program.communicate()


@pytest.fixture
def station(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Station]:
    """A station that is not on the air yet; its kind is the fixture's parameter."""
    if request.param == "rtsp" and not has_rtsp_server():
        pytest.skip("needs GStreamer's RTSP server (gir1.2-gst-rtsp-server-1.0)")
    station = Station(tmp_path, request.param)
    yield station
    station.end()


@pytest.mark.parametrize("cut", ["dies", "hangs"])
@pytest.mark.parametrize("station", ["rtsp", "http"], indirect=True)
def test_a_station_is_heard_again_after_it_was_cut_off(
    station: Station, cut: str, broker: Broker, subscriber: Subscriber, model_folder: Path
) -> None:
    config = station.folder / "kws.toml"
    stall = 20 if cut == "dies" else 2  # seconds; sound may be late on a busy machine
    config.write_text(
        f'[source]\ninput = "{station.url}"\nsite = "hall"\n[mqtt]\nurl = "{broker.url}"\n'
        f'[model]\nname = "{model_folder}"\n[watch]\nstall = {stall}\nretry = 0.2\n'
    )

    def status(wanted: str, after: float = 0.0) -> float:
        """Wait for a status after a time on the monotonic clock; return when it came."""
        return later("kws/hall/status", after, wanted).at

    def later(topic: str, after: float, payload: str = "") -> Heard:
        def found() -> list[Heard]:
            heard = (one for one in subscriber.on(topic) if one.at > after)
            return [one for one in heard if payload in one.payload]

        subscriber.wait_until(lambda: bool(found()), f"{topic} {payload}")
        return found()[0]

    with running("--config", config):
        status("offline")  # the station is not on the air yet
        later("kws/hall/health", 0.0, station.url)  # its trouble
        station.begin()
        online = status("online")
        later("kws/hall/detection", online)
        station.cut(cut)
        offline = status("offline", online)
        trouble = later("kws/hall/health", offline).fields["trouble"]
        assert trouble.startswith(("no sound came for", station.url))
        station.end()
        station.begin()
        back = status("online", offline)
        assert not [one for one in subscriber.on("kws/hall/detection") if offline < one.at < back]
        later("kws/hall/detection", back)
        health = later("kws/hall/health", back, '"trouble": null').fields
        assert health["source"] == station.url
        assert health["reconnects"] >= 1
