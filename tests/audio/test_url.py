"""Sound from a URL, through ffmpeg, from web servers that the tests start."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws.app.service import make_service
from kws.audio.ffmpeg import UrlSource
from kws.audio.gain import amplified
from kws.audio.open import open_source
from kws.audio.url import is_url, without_login
from kws.config.overrides import parse_set
from kws.config.reading import read_config
from kws.errors import AudioError, OptionError
from kws.types import AudioBlock, Float32Array
from tests.support.blocks_source import BlocksSource
from tests.support.home import Diary
from tests.support.toy_model import tone, write_model
from tests.support.waiting import wait_until

RATE = 16000

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """A web server for a folder; its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=tmp_path)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def noise(channels: int = 1) -> Float32Array:
    return (np.random.default_rng(1).standard_normal((RATE, channels)) * 0.1).astype(np.float32)


def heard(source: UrlSource) -> Float32Array:
    with source:
        return np.concatenate([block.samples for block in source.blocks()])


@pytest.mark.process
@needs_ffmpeg
def test_every_sample_of_a_recording_is_heard_and_then_it_ends(site: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "sound.wav", noise(), RATE)
    expected, _ = soundfile.read(tmp_path / "sound.wav", dtype="float32")
    source = open_source(f"{site}/sound.wav")
    assert isinstance(source, UrlSource)
    assert np.array_equal(heard(source), expected)
    assert (source.rate, source.live, source.drops) == (RATE, True, 0)
    with pytest.raises(AudioError, match=r"sound.wav has ended$"):
        heard(UrlSource(f"{site}/sound.wav", ends=False))


@pytest.mark.process
@needs_ffmpeg
def test_one_channel_of_two(site: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "sound.wav", noise(2), RATE)
    expected, _ = soundfile.read(tmp_path / "sound.wav", dtype="float32")
    assert np.array_equal(heard(UrlSource(f"{site}/sound.wav", channel=2)), expected[:, 1])


@pytest.mark.process
@needs_ffmpeg
def test_what_cannot_be_heard_is_one_line_without_the_password(site: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = site.replace("://", "://me:s3cret@") + "/none.wav"
    with pytest.raises(AudioError) as error:
        heard(UrlSource(url))
    assert "\n" not in str(error.value)
    assert "s3cret" not in str(error.value)
    assert "404" in str(error.value)
    monkeypatch.setattr("kws.audio.network._OPEN_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = UrlSource(f"rtsp://127.0.0.1:{silent.getsockname()[1]}/")
        with pytest.raises(AudioError, match=r"no sound within 1 s$"):
            heard(source)


@pytest.mark.process
@needs_ffmpeg
def test_a_stream_that_is_cut_off_is_heard_again_when_it_is_back(tmp_path: Path) -> None:
    """As the service has it: it reports the trouble and its end."""
    rest = np.random.default_rng(3).standard_normal(RATE).astype(np.float32) * np.float32(1e-3)
    soundfile.write(tmp_path / "words.wav", np.concatenate([rest, tone("on"), rest] * 4), RATE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"

    def serve() -> subprocess.Popen[bytes]:
        server = ["ffmpeg", "-v", "quiet", "-re", "-i", str(tmp_path / "words.wav"), "-f", "wav", "-listen", "1", url]
        return subprocess.Popen(server, stdin=subprocess.DEVNULL)

    model = write_model(tmp_path / "model")
    said = [f"source.input={url}", f"model.name={model}", "exec.command=true {keyword}", "watch.retry=0.2"]
    config = read_config(None, [parse_set(one) for one in said])
    diary = Diary()
    server = serve()
    service = make_service(lambda: config, diary)
    thread = threading.Thread(target=service.run, daemon=True)
    thread.start()
    [listener] = service.listeners
    wait_until(lambda: "on" in diary.told, timeout=60)
    assert listener.hearing.trouble is None
    server.kill()
    server.wait()
    wait_until(lambda: listener.hearing.trouble is not None, timeout=60)
    before = len(diary.told)
    server = serve()
    wait_until(lambda: "on" in diary.told[before:], timeout=60)
    assert (listener.hearing.trouble, listener.counters.reconnects) == (None, 1)
    service.stop()
    thread.join(10)
    server.kill()
    server.wait()


def test_without_ffmpeg_it_is_refused_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(OptionError, match=r"^input: rtsp://\*\*\*@camera/ needs the program ffmpeg: apt-get install"):
        open_source("rtsp://me:secret@camera/")


@pytest.mark.parametrize(
    ("text", "url"),
    [("rtsp://a/b", True), ("HTTPS://a", True), ("file:///etc/passwd", False), ("a.wav", False), ("-", False)],
)
def test_which_inputs_are_urls(text: str, url: bool) -> None:
    assert is_url(text) == url


def test_a_login_is_hidden() -> None:
    assert without_login("rtsp://me:pass@a/b and http://x@c") == "rtsp://***@a/b and http://***@c"
    assert without_login("rtsp://a/b@c") == "rtsp://a/b@c"


def test_a_gain_multiplies_every_sample() -> None:
    sound = noise()[:, 0]
    block = AudioBlock(sound, 0)
    source = amplified(BlocksSource(block, rate=8000), 20.0)
    with source:
        [louder] = source.blocks()
    assert np.array_equal(louder.samples, sound * np.float32(10))
    assert source.rate == 8000
    plain = BlocksSource(block)
    assert amplified(plain, 0) is plain
