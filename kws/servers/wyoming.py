"""A Wyoming server that finds wake words in the sound that its clients send.

Home Assistant's Assist and voice satellites speak this protocol: https://github.com/OHF-Voice/wyoming. A client may
ask ``describe``. It sends ``detect`` with the names of wake words, ``audio-start``, many times ``audio-chunk``, and
``audio-stop``. It gets a ``detection`` for each wake word as soon as it is heard, and ``not-detected`` at the stop if
there was none.

The messages are those of the package ``wyoming``. The connections are our own, because its server accepts messages of
any size and ends with a traceback if a message is malformed or breaks off.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_read_event, async_write_event
from wyoming.info import Attribution, Describe, Info, WakeModel, WakeProgram
from wyoming.ping import Ping, Pong
from wyoming.wake import Detect, Detection, NotDetected

from kws import __version__
from kws.audio.samples import mono
from kws.audio.wyoming import MALFORMED, MOST_BYTES, MessageError, field, sound_format, sound_frames
from kws.common.addresses import is_local
from kws.common.names import composed
from kws.common.sockets import listen
from kws.pipeline.pipeline import Pipeline, Step
from kws.servers.settings import WyomingOptions
from kws.servers.zeroconf import Announcement
from kws.types import AudioBlock

_log = logging.getLogger(__name__)

#: The most clients at once.
_MOST_CLIENTS = 100

#: Seconds of sound that are scored for one client before it is another's turn.
_TURN_SECONDS = 0.1

#: Seconds that a client has to read an answer, and the server to end.
_ANSWER_SECONDS, _END_SECONDS = 10.0, 2.0

Send = Callable[[Eventable], Awaitable[None]]


class WyomingServer:
    """Serves wake words until it is closed. All clients share one model, and one thread that runs it.

    Args:
        options: the address.
        make_pipeline: see :meth:`follow`.

    Raises:
        OptionError, KwsError: the address is wrong or not available.

    Attributes:
        port: the one that it listens on.
        make_pipeline: the newest.
        keywords: the wake words, each by its name as :func:`_plain` writes it.
        info: the answer to ``describe``.
    """

    def __init__(self, options: WyomingOptions, make_pipeline: Callable[[], Pipeline]) -> None:
        self._talks: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self.follow(make_pipeline)
        self._host, port = options.address
        self._socket = listen(self._host, port, table="wyoming", field="uri")
        self.port: int = self._socket.getsockname()[1]
        self._pool = ThreadPoolExecutor(1, "wyoming network")
        self._loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="wyoming", daemon=True)
        self._thread.start()
        words = ", ".join(self.keywords.values())
        _log.info("the wake words %s are served at tcp://%s:%d", words, self._host, self.port)
        if not is_local(self._host):
            _log.warning("everyone who reaches %s can send sound to port %d", self._host, self.port)

    @property
    def clients(self) -> int:
        """The number of open connections."""
        return len(self._talks)

    def follow(self, make_pipeline: Callable[[], Pipeline]) -> None:
        """Serve other wake words, or by another model, from each client's next message on.

        Args:
            make_pipeline: returns a pipeline that listens for all wake words; called for each stream of sound.
        """
        pipeline = make_pipeline()
        self.keywords = {_plain(keyword): keyword for keyword in pipeline.settings.listened}
        self.info = _info(pipeline.settings.listened, pipeline.model.description.version)
        self.make_pipeline = make_pipeline

    def close(self, *, wait: bool = True) -> None:
        """End all connections and stop listening; waiting for that takes moments."""
        with suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._end.set)
        if wait:
            self._thread.join(_END_SECONDS)

    async def score(self, steps: Callable[[], Iterable[Step]]) -> list[Step]:
        """Run a pipeline in the thread for the network; clients take turns."""
        return await self._loop.run_in_executor(self._pool, lambda: list(steps()))

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, sock=self._socket)
        announcement = Announcement(self._host, self.port)
        if not is_local(self._host):
            await announcement.begin()
        try:
            await self._end.wait()
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
            await announcement.end()
            self._loop.remove_reader(self._socket)  # a closed server would leak what it is about to accept
            with suppress(TimeoutError):
                await asyncio.wait_for(self._end_talks(), _END_SECONDS)
            server.close()

    async def _end_talks(self) -> None:
        """End all connections, also those that have just been accepted and do not talk yet."""
        here = {asyncio.current_task()}
        while others := asyncio.all_tasks() - here:
            for writer in self._talks:
                writer.transport.abort()
            await asyncio.wait(others, timeout=0.05)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = "{}:{}".format(*(writer.get_extra_info("peername") or ("?", 0))[:2])
        if self.clients == _MOST_CLIENTS:
            _log.warning("Wyoming client %s: refused, because there are %d clients already", peer, _MOST_CLIENTS)
            writer.close()
            return
        self._talks[writer] = talk = self._loop.create_task(self._meet(reader, writer, peer))
        talk.add_done_callback(lambda _: self._talks.pop(writer))

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str) -> None:
        """Serve one client until it leaves or sends what cannot be understood."""

        async def send(answer: Eventable) -> None:
            if isinstance(answer, Detection):
                _log.info("detected %s for Wyoming client %s", answer.name, peer)
            if writer.is_closing():  # writing all the same breaks the event loop of Python 3.12 and early 3.13
                raise ConnectionResetError
            async with asyncio.timeout(_ANSWER_SECONDS):
                await async_write_event(answer.event(), writer)

        try:
            await self._talk(reader, send, peer)
        except (OSError, EOFError) as error:  # it broke off, or does not read its answers
            _log.debug("Wyoming client %s: %r", peer, error)
            writer.transport.abort()  # closing would wait until it has read them
        except Exception:  # noqa: BLE001 - a defect of ours ends this connection only
            _log.exception("Wyoming client %s: unexpected error", peer)
        finally:
            await _close(writer)

    async def _talk(self, reader: asyncio.StreamReader, send: Send, peer: str) -> None:
        try:
            client = _Client(self, send)
            while event := await _read(reader):
                await client.hear(event)
                await asyncio.sleep(0)  # messages that wait already would keep the others waiting
        except MessageError as error:
            _log.warning("Wyoming client %s: %s", peer, error)
            await send(Error(text=str(error)))


class _Client:
    """One client: the wake words that it asked for, and its stream of sound."""

    def __init__(self, server: WyomingServer, send: Send) -> None:
        self._server = server
        self._send = send
        self._names: set[str] = set()  # as _plain() writes them; empty for all
        self._stream: _Stream | None = None

    async def hear(self, event: Event) -> None:
        """Obey a message; others than these are ignored, as the protocol has it."""
        if Describe.is_type(event.type):
            await self._send(self._server.info)
        elif Ping.is_type(event.type):
            await self._send(Pong(text=field(event, "text", str)))
        elif Detect.is_type(event.type):
            self._stream = None
            await self._choose(field(event, "names", list) or ())
        elif AudioStart.is_type(event.type):
            self._stream = _Stream(sound_format(event), self._server.make_pipeline, self._names)
        elif AudioChunk.is_type(event.type):
            made_of = sound_format(event), self._server.make_pipeline
            if self._stream is None or self._stream.made_of != made_of:
                self._stream = _Stream(*made_of, self._names)
            await self._take(self._stream, event)
        elif AudioStop.is_type(event.type) and (stream := self._stream):
            self._stream = None
            await self._report(stream, await self._server.score(stream.pipeline.finish))
            if not stream.detected:
                await self._send(NotDetected())

    async def _choose(self, names: Iterable[object]) -> None:
        """Listen for these wake words only; for all if there are none."""
        known = self._server.keywords
        self._names = {_plain(str(name)) for name in names}
        if unknown := self._names - known.keys():
            problem = (
                f"there is no wake word {', '.join(sorted(unknown))[:80]!r}; choose from {', '.join(known.values())}"
            )
            _log.warning("Wyoming client: %s", problem)
            await self._send(Error(text=problem))

    async def _take(self, stream: _Stream, chunk: Event) -> None:
        stream.timestamp = field(chunk, "timestamp", int)
        for block in stream.blocks(chunk):
            await self._report(stream, await self._server.score(partial(stream.pipeline.push, block)))

    async def _report(self, stream: _Stream, steps: Iterable[Step]) -> None:
        for fired in (fired for step in steps for fired in step.decision.fired):
            stream.detected = True
            await self._send(Detection(name=fired.keyword, timestamp=stream.now))


class _Stream:
    """The sound between ``audio-start`` and ``audio-stop``.

    Args:
        sound: samples per second, bytes per sample, channels.
        make_pipeline: returns the pipeline that hears it.
        names: the wake words to search for, as :func:`_plain` writes them; empty for all.

    Attributes:
        made_of: the format of the sound, and ``make_pipeline``.
        timestamp: of the newest chunk, by the client's clock in milliseconds; None if it has none.
        detected: True after a detection.
    """

    def __init__(
        self, sound: tuple[int, int, int], make_pipeline: Callable[[], Pipeline], names: Collection[str]
    ) -> None:
        self.made_of = sound, make_pipeline
        self._rate, *_ = sound
        self.pipeline = make_pipeline()
        self.timestamp: int | None = None
        self.detected = False
        self._position = 0
        for keyword in self.pipeline.settings.listened if names else ():
            self.pipeline.set_keyword(keyword, on=_plain(keyword) in names)
        self.pipeline.open(self._rate)

    @property
    def now(self) -> int:
        """The timestamp of a detection: that of the newest chunk, else milliseconds since the stream began."""
        return self._position * 1000 // self._rate if self.timestamp is None else self.timestamp

    def blocks(self, chunk: Event) -> Iterator[AudioBlock]:
        """Yield the sound of a chunk in blocks that are short enough for taking turns."""
        samples = mono(sound_frames(chunk), None)
        turn = round(_TURN_SECONDS * self._rate)
        for begin in range(0, len(samples), turn):
            block = AudioBlock(samples[begin : begin + turn], self._position)
            self._position = block.end
            yield block


async def _read(reader: asyncio.StreamReader) -> Event | None:
    """Return the next message; None at the end.

    Raises:
        MessageError: it is malformed or too large.
        EOFError, OSError: the connection broke within it.
    """
    event, valid = None, False
    with suppress(*MALFORMED):
        event = await async_read_event(_BoundedReader(reader))  # type: ignore[arg-type]
        valid = isinstance(event.type, str) and isinstance(event.data, dict) if event else reader.at_eof()
    if not valid:
        raise MessageError("a message is malformed or too large; is this a client of Wyoming?")
    return event


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close a connection once its client has read what was sent to it, or has had the time to."""
    writer.close()
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            await writer.wait_closed()
    except OSError:  # TimeoutError among them
        pass
    finally:
        writer.transport.abort()


class _BoundedReader:
    """Reads as ``wyoming`` needs it, but never more than :data:`MOST_BYTES` at once."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.readline = reader.readline  # 64 KiB at most
        self._reader = reader

    async def readexactly(self, size: int) -> bytes:
        if not isinstance(size, int) or size > MOST_BYTES:
            raise ValueError(size)
        return await self._reader.readexactly(size)


def _plain(name: str) -> str:
    """Return a name as clients may write it: ``hey_computer`` is ``Hey Computer``."""
    return composed(name).casefold().replace("_", " ").strip()


def _info(keywords: Iterable[str], version: str) -> Info:
    author = Attribution(name="The kws team", url="")
    shared: dict[str, Any] = {"attribution": author, "installed": True}
    models = [
        WakeModel(name=one, description=one, phrase=one, version=version, languages=[], **shared) for one in keywords
    ]
    program = WakeProgram(
        name="kws", description="A streaming keyword spotter", version=__version__, models=models, **shared
    )
    return Info(wake=[program])
