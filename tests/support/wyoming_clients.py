"""Clients of a Wyoming server, made of the package's own classes, and a satellite."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.event import Event, Eventable
from wyoming.ping import Ping, Pong
from wyoming.satellite import RunSatellite
from wyoming.server import AsyncEventHandler, AsyncTcpServer
from wyoming.wake import Detect, Detection, NotDetected

from kws.types import Float32Array

Pcm = npt.NDArray[np.int16]

#: Samples in a chunk, as Home Assistant's satellites send them.
CHUNK = 1024


def pcm(samples: Float32Array) -> Pcm:
    return np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)


def chunks(sound: Pcm, rate: int, channels: int = 1, *, timestamps: bool = True) -> list[AudioChunk]:
    """Return interleaved 16-bit sound in chunks, each with its time in milliseconds."""
    step = CHUNK * channels
    return [
        AudioChunk(
            rate, 2, channels, sound[begin : begin + step].tobytes(),
            timestamp=begin // channels * 1000 // rate if timestamps else None,
        )
        for begin in range(0, len(sound), step)
    ]  # fmt: skip


async def ask(port: int, *messages: Eventable) -> list[Event]:
    """Send messages as Home Assistant does, and return all answers up to the one to a last ping."""
    async with AsyncTcpClient("127.0.0.1", port) as client:
        reading = asyncio.create_task(answers(client))
        for message in (*messages, Ping(text="the end")):
            await client.write_event(message.event())
        return await asyncio.wait_for(reading, 60)


async def answers(client: AsyncTcpClient) -> list[Event]:
    """Return what a server answers, up to a pong or the end of the connection."""
    found: list[Event] = []
    while (event := await client.read_event()) and not Pong.is_type(event.type):
        found.append(event)
    return found


async def detect(port: int, sound: Iterable[AudioChunk], names: list[str] | None = None) -> list[Detection | None]:
    """Have a stream searched for wake words; return the detections, and None for the message that there was none."""
    sound = list(sound)
    first = sound[0]
    start = AudioStart(first.rate, first.width, first.channels)
    events = await ask(port, Detect(names=names), start, *sound, AudioStop())
    return [
        None if NotDetected.is_type(event.type) else Detection.from_event(event)
        for event in events
        if NotDetected.is_type(event.type) or Detection.is_type(event.type)
    ]


class Satellite:
    """A satellite that streams a sound as soon as a server is ready for it, and then goes on with its end.

    Args:
        sound: what it streams, over and over until it is stopped.
    """

    def __init__(self, sound: list[AudioChunk], *, pings: bool = False) -> None:
        self.sound = sound
        self.pings = pings
        self.port = 0
        self.heard: list[str] = []  # types of the messages that came
        self.silent = asyncio.Event()
        self._server = AsyncTcpServer("127.0.0.1", 0)

    async def start(self, port: int = 0) -> None:
        self._server = AsyncTcpServer("127.0.0.1", port)
        await self._server.start(lambda reader, writer: _Streaming(self, reader, writer))
        assert isinstance(self._server._server, asyncio.Server)
        self.port = self._server._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        await self._server.stop()


class _Streaming(AsyncEventHandler):
    def __init__(self, satellite: Satellite, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(reader, writer)
        self.satellite = satellite
        self.task: asyncio.Task[None] | None = None

    async def handle_event(self, event: Event) -> bool:
        self.satellite.heard.append(event.type)
        if RunSatellite.is_type(event.type):
            self.task = asyncio.create_task(self._stream())
        return True

    async def _stream(self) -> None:
        if self.satellite.pings:
            await self.write_event(Ping().event())
        for chunk in self.satellite.sound:
            if self.satellite.silent.is_set():
                return
            await self.write_event(chunk.event())
            await asyncio.sleep(chunk.seconds / 20)

    async def disconnect(self) -> None:
        if self.task:
            self.task.cancel()
