"""The Wyoming server, asked by the classes of the package ``wyoming``, as Home Assistant asks it."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import logging
import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

pytest.importorskip("wyoming")

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event, Eventable
from wyoming.info import Describe, Info
from wyoming.wake import Detect, Detection

from kws.app.build import load_model, wake_word_pipeline
from kws.audio.resample import Resampler
from kws.config.overrides import parse_set
from kws.config.reading import read_config
from kws.config.schema import Config
from kws.errors import KwsError, OptionError, UsageError
from kws.inference.model import Model
from kws.servers.settings import WyomingOptions
from kws.servers.wyoming import WyomingServer, _plain
from kws.servers.zeroconf import Announcement
from kws.types import AudioBlock, Float32Array
from tests.support import ROOT
from tests.support.toy_model import tone, write_model
from tests.support.waiting import wait_until
from tests.support.wyoming_clients import CHUNK, Pcm, ask, chunks, detect, pcm

pytestmark = pytest.mark.process

DEMO = ROOT / "kws" / "data" / "demo.flac"
RATE = 16000

LOCAL = WyomingOptions(uri="tcp://127.0.0.1:0")


def configured(*said: str) -> Config:
    return read_config(None, [parse_set(f"wyoming.uri={LOCAL.uri}"), *map(parse_set, said)])


def serving(config: Config, model: Model) -> WyomingServer:
    assert config.wyoming
    return WyomingServer(config.wyoming, partial(wake_word_pipeline, config, model))


@pytest.fixture(scope="module")
def demo() -> Float32Array:
    samples, rate = soundfile.read(DEMO, dtype="float32")
    assert rate == RATE
    result: Float32Array = samples
    return result


@pytest.fixture(scope="module")
def shipped(model_folder: Path) -> Iterator[WyomingServer]:
    """The shipped model's wake words."""
    config = configured(f"model.name={model_folder}", 'wyoming.keywords=["computer", "jarvis"]')
    server = serving(config, load_model(config))
    yield server
    server.close()


@pytest.fixture(scope="module")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A model whose wake words are the tones "on", "off" and "stop"."""
    return configured(f"model.name={write_model(tmp_path_factory.mktemp('tones') / 'model')}")


@pytest.fixture
def server(tones: Config) -> Iterator[WyomingServer]:
    server = serving(tones, load_model(tones))
    yield server
    server.close()
    server._thread.join(20)
    assert not server._thread.is_alive()


def words(*spoken: str) -> Pcm:
    """Return a tone for each word, with a second of silence before it."""
    rest = np.zeros(RATE, np.float32)
    return pcm(np.concatenate([part for word in spoken for part in (rest, tone(word))] + [rest]))


def expected(server: WyomingServer, samples: Float32Array) -> list[tuple[str, int]]:
    """Return the keywords that a pipeline alone finds, each with the time of the chunk that held its decision."""
    pipeline = server.make_pipeline()
    pipeline.open(RATE)
    steps = [*pipeline.push(AudioBlock(samples, 0)), *pipeline.finish()]
    fired = [fired for step in steps for fired in step.decision.fired]
    last = (len(samples) - 1) // CHUNK * CHUNK
    return [(one.keyword, min((one.end - 1) // CHUNK * CHUNK, last) * 1000 // RATE) for one in fired]


def test_describe_lists_the_wake_words(shipped: WyomingServer) -> None:
    [answer] = asyncio.run(ask(shipped.port, Describe()))
    [program] = Info.from_event(answer).wake
    assert (program.name, program.installed) == ("kws", True)
    assert [(model.name, model.phrase, model.installed) for model in program.models] == [
        ("computer", "computer", True), ("jarvis", "jarvis", True),
    ]  # fmt: skip


def test_detections_are_those_of_the_pipeline(shipped: WyomingServer, demo: Float32Array) -> None:
    """In the demo, "computer" comes in the first two seconds, "no" after 28 and "jarvis" after 29.5."""
    sound = pcm(np.concatenate([demo[: 3 * RATE], demo[28 * RATE : 31 * RATE]]))
    found = asyncio.run(detect(shipped.port, chunks(sound, RATE)))
    samples = sound.astype(np.float32) / np.float32(32768)
    assert [(one.name, one.timestamp) for one in found if one] == expected(shipped, samples)
    assert [one and one.name for one in found] == ["computer", "jarvis"]


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["stop"], ["stop"]),
        (["Off"], ["off"]),
        ([], ["on", "off", "stop"]),
        (["nonsense"], [None]),
        (["nonsense", "on"], ["on"]),
    ],
)
def test_names_choose_wake_words(server: WyomingServer, names: list[str], found: list[str | None]) -> None:
    got = asyncio.run(detect(server.port, chunks(words("on", "off", "stop"), RATE), names))
    assert [one and one.name for one in got] == found


def test_a_name_is_the_same_as_a_mac_writes_it() -> None:
    assert _plain("Hey_Ku\N{COMBINING DIAERESIS}che") == _plain("hey k\N{LATIN SMALL LETTER U WITH DIAERESIS}che")


def test_a_wrong_name_is_answered_with_the_right_ones(shipped: WyomingServer) -> None:
    [answer] = asyncio.run(ask(shipped.port, Detect(names=["hey_nonsense"])))
    assert Error.from_event(answer).text == "there is no wake word 'hey nonsense'; choose from computer, jarvis"


def test_sound_of_any_format(shipped: WyomingServer, demo: Float32Array) -> None:
    """48 kHz stereo, and 8 kHz with one byte in a sample, as phones have it."""
    until = 3 * RATE
    resampler = Resampler(RATE, 48000)
    blocks = [*resampler.push(AudioBlock(demo[:until], 0)), *resampler.flush()]
    mono = np.concatenate([block.samples for block in blocks])
    stereo = np.stack([mono, 0.5 * mono], axis=1).reshape(-1)
    found = asyncio.run(detect(shipped.port, chunks(pcm(stereo), 48000, 2)))
    assert [one and one.name for one in found] == ["computer"]
    coarse = (128 + np.round(demo[:until:2] * 127)).clip(0, 255).astype(np.uint8)
    bytewise = [AudioChunk(8000, 1, 1, coarse[begin : begin + 512].tobytes()) for begin in range(0, len(coarse), 512)]
    [one] = asyncio.run(detect(shipped.port, bytewise))
    assert one
    assert one.name == "computer"
    assert one.timestamp
    assert 1000 < one.timestamp < 3000  # milliseconds since the stream began, as the client states none


def test_ten_clients_at_once(server: WyomingServer) -> None:
    """Each asks for a word of its own."""
    sound = chunks(words("on", "off", "stop"), RATE)
    asked = [["on", "off", "stop"][number % 3] for number in range(10)]

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*(detect(server.port, sound, [word]) for word in asked))

    found = asyncio.run(all_of_them())
    assert [[one and one.name for one in each] for each in found] == [[word] for word in asked]
    wait_until(lambda: server.clients == 0)


def test_a_stream_begins_with_nothing_of_the_one_before(server: WyomingServer) -> None:
    """A client stops within a word. The rest of it, in the next stream, is too short to be one."""
    sound = words("on")
    half = RATE + RATE // 8
    first: list[Eventable] = [AudioStart(RATE, 2, 1), *chunks(sound[:half], RATE)]
    second: list[Eventable] = [AudioStart(RATE, 2, 1), *chunks(sound[half + RATE // 4 :], RATE), AudioStop()]
    events = asyncio.run(ask(server.port, *first, *second))
    assert [event.type for event in events] == ["not-detected"]
    whole = asyncio.run(ask(server.port, AudioStart(RATE, 2, 1), *chunks(sound, RATE), AudioStop()))
    assert [event.type for event in whole] == ["detection"]


def test_chunks_without_a_start_are_a_stream(server: WyomingServer) -> None:
    events = asyncio.run(ask(server.port, *chunks(words("off"), RATE), AudioStop()))
    assert [Detection.from_event(event).name for event in events] == ["off"]


def test_a_stop_without_sound_is_not_answered(server: WyomingServer) -> None:
    assert asyncio.run(ask(server.port, AudioStop())) == []


def test_a_client_that_breaks_off_leaves_nothing_behind(
    server: WyomingServer, caplog: pytest.LogCaptureFixture
) -> None:
    for end in (b'{"type": "audio-chunk", "payload_length": 5000}\n1234', b'{"type": "desc', b""):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(end)
            client.shutdown(socket.SHUT_WR)
            while client.recv(4096):  # an error message, and then the server closes it too
                pass
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_the_end_of_a_server_closes_what_it_has_just_accepted(tones: Config) -> None:
    for _ in range(5):
        server = serving(tones, load_model(tones))
        clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(10)]
        server.close()
        for client in clients:
            with client, suppress(ConnectionResetError):
                assert client.recv(1) == b""
    gc.collect()  # a connection that was left open would warn now


def test_a_client_that_hangs_delays_no_other(server: WyomingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One stops within a message. Another asks without end and reads no answer."""
    monkeypatch.setattr("kws.servers.wyoming._ANSWER_SECONDS", 600.0)  # it stays connected on a busy machine too
    with (
        socket.create_connection(("127.0.0.1", server.port)) as half,
        socket.create_connection(("127.0.0.1", server.port)) as deaf,
    ):
        half.sendall(b'{"type": "audio-chunk", "payload_length": 5000}\n1234')
        deaf.settimeout(0.2)
        with suppress(TimeoutError):  # its buffers are full
            while True:
                deaf.sendall(b'{"type": "describe"}\n' * 1000)
        found = asyncio.run(detect(server.port, chunks(words("on", "stop"), RATE)))
        assert [one and one.name for one in found] == ["on", "stop"]
        wait_until(lambda: server.clients == 2)  # the two are still served


def test_a_long_chunk_delays_no_other(server: WyomingServer) -> None:
    """Half a minute of sound in one message is scored in turns with another client's."""
    order: list[str] = []

    async def send(name: str, sound: list[AudioChunk]) -> None:
        await detect(server.port, sound)
        order.append(name)

    async def both() -> None:
        long = AudioChunk(RATE, 2, 1, words(*["on"] * 20).tobytes())
        slow = asyncio.create_task(send("long", [long]))
        await asyncio.sleep(0)
        await asyncio.gather(slow, send("short", chunks(words("off"), RATE)))

    asyncio.run(both())
    assert order == ["short", "long"]


def test_other_wake_words_after_a_reload(server: WyomingServer, tones: Config) -> None:
    async def reloaded() -> list[Event]:
        async with AsyncTcpClient("127.0.0.1", server.port) as client:
            for chunk in chunks(words("off"), RATE):
                await client.write_event(chunk.event())
            found = [await client.read_event()]
            fewer = configured(f"model.name={tones.model.name}", 'wyoming.keywords=["on"]')
            server.follow(partial(wake_word_pipeline, fewer, load_model(fewer)))
            for chunk in chunks(words("off", "on"), RATE):
                await client.write_event(chunk.event())
            await client.write_event(Describe().event())
            return [event for event in [*found, await client.read_event(), await client.read_event()] if event]

    first, second, info = asyncio.run(reloaded())
    assert [Detection.from_event(event).name for event in (first, second)] == ["off", "on"]
    assert [model.name for model in Info.from_event(info).wake[0].models] == ["on"]


def test_no_more_than_a_hundred_clients(server: WyomingServer) -> None:
    many = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(100)]
    wait_until(lambda: server.clients == 100)
    with socket.create_connection(("127.0.0.1", server.port)) as one:
        assert one.recv(1) == b""
    for each in many:
        each.close()
    wait_until(lambda: server.clients == 0)


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("127.0.0.1:1", "wyoming.uri: must be tcp://HOST:PORT, not '127.0.0.1:1'"),
        ("tcp://127.0.0.1", "wyoming.uri: must be tcp://HOST:PORT, not 'tcp://127.0.0.1'"),
        ("tcp://127.0.0.1:99999", "wyoming.uri: must be tcp://HOST:PORT, not 'tcp://127.0.0.1:99999'"),
    ],
)
def test_an_address_that_is_none_is_refused_when_it_is_read(uri: str, problem: str) -> None:
    with pytest.raises(UsageError) as error:
        read_config(None, [parse_set(f"wyoming.uri={uri}")])
    assert str(error.value).endswith(problem.partition(": ")[2])


def test_a_port_that_is_taken_and_a_host_that_is_none(server: WyomingServer) -> None:
    with pytest.raises(KwsError, match=rf"^wyoming: 127.0.0.1 port {server.port}: Address already in use$"):
        WyomingServer(WyomingOptions(uri=f"tcp://127.0.0.1:{server.port}"), server.make_pipeline)
    with pytest.raises(OptionError, match=r"^wyoming.uri: 'no.such.host.invalid' is not an address$"):
        WyomingServer(WyomingOptions(uri="tcp://no.such.host.invalid:1"), server.make_pipeline)


def test_a_wake_word_that_is_not_listened_for_is_refused(tones: Config) -> None:
    config = configured(f"model.name={tones.model.name}", 'wyoming.keywords=["onn"]')
    with pytest.raises(UsageError, match="'onn' is not a keyword that is listened for; did you mean 'on'"):
        serving(config, load_model(config))


def test_it_is_announced_on_the_network() -> None:
    """As on a local network; here both are on the loopback interface."""
    zeroconf = pytest.importorskip("zeroconf")
    aio = pytest.importorskip("zeroconf.asyncio")

    async def found() -> tuple[bool, bool]:
        announcement = Announcement("127.0.0.1", 10400)
        async with aio.AsyncZeroconf(interfaces=["127.0.0.1"]) as other:
            seen: asyncio.Queue[object] = asyncio.Queue()

            def note(name: str, state_change: object, **_: object) -> None:
                if name.startswith("kws-"):
                    seen.put_nowait(state_change)

            browser = aio.AsyncServiceBrowser(other.zeroconf, "_wyoming._tcp.local.", handlers=[note])
            await announcement.begin()
            added = await asyncio.wait_for(seen.get(), 20)
            await announcement.end()
            removed = await asyncio.wait_for(seen.get(), 20)
            await browser.async_cancel()
        change = zeroconf.ServiceStateChange
        return added == change.Added, removed == change.Removed

    assert asyncio.run(found()) == (True, True)


# Fuzzing.


def malformed(chance: random.Random) -> bytes:
    """Return a message that is somewhat or entirely wrong."""
    values: list[Any] = [
        None, True, -1, 0, 1, 2, 16000, 10**30, 1.5, "x", "\0", [], [1], {}, {"a": 1}, "a" * 1000, ["computer"],
        float("nan"),
    ]  # fmt: skip
    kinds: list[Any] = [
        "describe",
        "detect",
        "audio-start",
        "audio-chunk",
        "audio-stop",
        "ping",
        "nonsense",
        None,
        7,
        [],
    ]
    names = ["rate", "width", "channels", "timestamp", "names", "text", "context"]
    data = {name: chance.choice(values) for name in chance.sample(names, chance.randrange(len(names)))}
    if chance.random() < 0.5:
        data |= {"rate": chance.choice([8000, RATE]), "width": chance.choice([1, 2, 3, 4]), "channels": 1}
    payload = chance.randbytes(chance.randrange(200))
    head: dict[str, Any] = {"type": chance.choice(kinds), "payload_length": len(payload)}
    inner = json.dumps(data).encode()
    if chance.random() < 0.5:
        head["data"] = data
        inner = b""
    else:
        head["data_length"] = len(inner)
    if chance.random() < 0.2:
        head[chance.choice(list(head))] = chance.choice(values)
    message = json.dumps(head).encode() + b"\n" + inner + payload
    if chance.random() < 0.2:
        place = chance.randrange(len(message))
        message = message[:place] + chance.randbytes(chance.randrange(20)) + message[place + chance.randrange(20) :]
    return message if chance.random() < 0.98 else chance.choice([b"[" * 30_000, b"{" * 100_000, chance.randbytes(9999)])


def memory() -> int:
    """Return the bytes of this process that are in memory, without what is free but kept for the next message."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_ten_thousand_wrong_messages_change_nothing(server: WyomingServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    chance = random.Random(22)
    sent = after_warming = 0
    while sent < 10_000:
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            for _ in range(chance.randrange(1, 20)):
                sent += 1
                try:
                    client.sendall(malformed(chance))
                except OSError:  # the server has closed the connection
                    break
        if sent > 3000 and not after_warming:
            wait_until(lambda: server.clients == 0)
            after_warming = memory()
    wait_until(lambda: server.clients == 0)
    assert memory() - after_warming < 10_000_000
    assert not caplog.records
    assert list(server.keywords) == ["on", "off", "stop"]
    found = asyncio.run(detect(server.port, chunks(words("on", "off", "stop"), RATE)))
    assert [one and one.name for one in found] == ["on", "off", "stop"]
