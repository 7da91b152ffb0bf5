"""A satellite's microphone as a source; the satellite is made of the package's own server."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import numpy as np
import pytest

pytest.importorskip("wyoming")

from kws.audio.open import open_source
from kws.audio.wyoming import WyomingSource
from kws.errors import AudioError, OptionError
from kws.types import Float32Array
from tests.support.waiting import wait_until
from tests.support.wyoming_clients import Satellite, chunks, pcm

RATE = 16000


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread, for satellites."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


Sound = Float32Array


@pytest.fixture(scope="module")
def sound() -> Sound:
    return (np.random.default_rng(1).standard_normal(2 * RATE) * 0.1).astype(np.float32)


@pytest.fixture
def satellite(loop: asyncio.AbstractEventLoop, sound: Sound) -> Iterator[Satellite]:
    satellite = Satellite(chunks(pcm(sound), RATE), pings=True)
    asyncio.run_coroutine_threadsafe(satellite.start(), loop).result()
    yield satellite
    asyncio.run_coroutine_threadsafe(satellite.stop(), loop).result()


def test_every_sample_is_heard(satellite: Satellite, sound: Sound) -> None:
    heard: list[Float32Array] = []
    with WyomingSource(f"tcp://127.0.0.1:{satellite.port}", timeout=1) as source:
        assert (source.rate, source.live, source.name) == (RATE, True, f"tcp://127.0.0.1:{satellite.port}")
        blocks = source.blocks()
        while sum(map(len, heard)) < len(sound):
            block = next(blocks)
            assert block.position == sum(map(len, heard))
            heard.append(block.samples)
        with pytest.raises(AudioError, match=r"delivered no sound for 1 s$"):
            next(blocks)
    assert np.array_equal(np.concatenate(heard), pcm(sound).astype(np.float32) / 32768)
    assert satellite.heard[:2] == ["run-satellite", "pong"]
    connection = source._socket
    assert connection
    wait_until(lambda: connection.fileno() == -1, "the end of the connection")


def test_one_channel_of_two(loop: asyncio.AbstractEventLoop, sound: Sound) -> None:
    stereo = np.stack([sound, -sound], axis=1).reshape(-1)
    satellite = Satellite(chunks(pcm(stereo), 48000, 2))
    asyncio.run_coroutine_threadsafe(satellite.start(), loop).result()
    with open_source(wyoming=f"tcp://127.0.0.1:{satellite.port}", channel=2) as source:
        block = next(source.blocks())
    assert source.rate == 48000
    assert np.array_equal(block.samples, pcm(-sound)[: len(block.samples)].astype(np.float32) / 32768)
    asyncio.run_coroutine_threadsafe(satellite.stop(), loop).result()


def test_it_is_opened_again_after_the_satellite_was_gone(satellite: Satellite, loop: asyncio.AbstractEventLoop) -> None:
    source = WyomingSource(f"tcp://127.0.0.1:{satellite.port}", timeout=5)
    with source:
        next(source.blocks())
        asyncio.run_coroutine_threadsafe(satellite.stop(), loop).result()
        with pytest.raises(AudioError, match=r"has ended$"):
            list(source.blocks())
    with pytest.raises(AudioError, match=r"Connection refused$"), source:
        pass
    asyncio.run_coroutine_threadsafe(satellite.start(satellite.port), loop).result()
    with source:
        assert next(source.blocks()).position == 0


def test_interrupt_ends_it_from_another_thread(satellite: Satellite) -> None:
    satellite.sound = satellite.sound[:1]
    with WyomingSource(f"tcp://127.0.0.1:{satellite.port}", timeout=60) as source:
        blocks = source.blocks()
        next(blocks)
        threading.Timer(0.05, source.interrupt).start()
        assert list(blocks) == []


def test_the_oldest_is_dropped_if_the_reader_is_late(satellite: Satellite) -> None:
    with WyomingSource(f"tcp://127.0.0.1:{satellite.port}", timeout=1, buffer=0.001) as source:
        first = next(source.blocks())
        drops = source.drops  # one may have been dropped before the first
        while satellite.sound and source.drops == drops:
            pass
        second = next(source.blocks())
        assert second.position > first.end


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b'{"type": "audio-chunk", "payload_length": 1e30}\n',
        b'{"type": "audio-chunk", "payload_length": 999999999999}\n',
        b"[]\n",
    ],
)
def test_what_is_no_satellite(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(said)
                connection.recv(1000)

        thread = threading.Thread(target=answer)
        thread.start()
        source = WyomingSource(f"tcp://127.0.0.1:{server.getsockname()[1]}")
        with pytest.raises(AudioError, match=r"sends what is no message of Wyoming$"), source:
            pass
        thread.join()


def test_options_that_do_not_go_with_it() -> None:
    with pytest.raises(OptionError, match=r"^device: does not go with wyoming, the sound of tcp://a:1$"):
        open_source(wyoming="tcp://a:1", device="USB")
    with pytest.raises(OptionError, match=r"^wyoming: must be tcp://HOST:PORT, not 'a:1'$"):
        open_source(wyoming="a:1")
