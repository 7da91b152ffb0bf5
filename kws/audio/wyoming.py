"""The microphone of a voice satellite, or of a Wyoming microphone server, as a source; and sound in Wyoming messages.

https://github.com/OHF-Voice/wyoming
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kws.audio.network import NetworkSource
from kws.audio.samples import MAX_RATE, MIN_RATE, decode
from kws.common.addresses import split_tcp
from kws.errors import AudioError, KwsError, UsageError
from kws.types import Float32Array

if TYPE_CHECKING:
    from wyoming.event import Event

#: The error where the extra is missing.
MISSING = "needs the package wyoming: pip install '.[wyoming]'"

#: The most bytes in a message, and channels of sound.
MOST_BYTES, MOST_CHANNELS = 1 << 20, 32

#: What the package raises for a message that is malformed or too large.
MALFORMED = (ValueError, TypeError, AttributeError, LookupError, RecursionError)

#: The encodings of samples, by their width in bytes.
_ENCODINGS = {1: "u8", 2: "s16le", 3: "s24le", 4: "s32le"}


class MessageError(KwsError):
    """A message that no program should send."""


def field(event: Event, name: str, kind: type[Any]) -> Any:
    """Return a field of a message, or None.

    Raises:
        MessageError: it is of another type.
    """
    value = event.data.get(name)
    if value is not None and not isinstance(value, kind):
        raise MessageError(f"{event.type}: {name} is of a wrong type")
    return value


def sound_format(event: Event) -> tuple[int, int, int]:
    """Return the samples per second, bytes per sample and channels that a message states.

    Raises:
        MessageError: no sound is like this.
    """
    rate, width, channels = (field(event, name, int) or 0 for name in ("rate", "width", "channels"))
    if not (MIN_RATE <= rate <= MAX_RATE and width in _ENCODINGS and 1 <= channels <= MOST_CHANNELS):
        raise MessageError(f"{event.type}: no sound has this rate, width and number of channels")
    return rate, width, channels


def sound_frames(event: Event) -> Float32Array:
    """Return the sound of a chunk, float32 ``(n, channels)``.

    Raises:
        MessageError: its format is none.
    """
    _, width, channels = sound_format(event)
    sound = event.payload or b""
    return decode(sound[: len(sound) - len(sound) % (width * channels)], _ENCODINGS[width]).reshape(-1, channels)


class WyomingSource(NetworkSource):
    """The sound that a satellite or a microphone server streams, at its own rate.

    Args:
        uri: its address, ``tcp://HOST:PORT``.
        channel, timeout, buffer: see :class:`NetworkSource`.

    Raises:
        OptionError: the address is none.
    """

    def __init__(self, uri: str, *, channel: int | None = None, timeout: float = 2.0, buffer: float = 5.0) -> None:
        self._address = split_tcp(uri, "wyoming")
        self._socket: socket.socket | None = None
        super().__init__(uri, channel=channel, timeout=timeout, buffer=buffer)

    def receive(self) -> Iterator[tuple[int, Float32Array]]:
        try:
            from wyoming.audio import AudioChunk  # noqa: PLC0415
            from wyoming.event import read_event, write_event  # noqa: PLC0415
            from wyoming.ping import Ping, Pong  # noqa: PLC0415
            from wyoming.satellite import RunSatellite  # noqa: PLC0415
        except ImportError:
            raise UsageError(f"source.wyoming: {MISSING}") from None
        # The connection stays open until its file is closed, too.
        with (
            socket.create_connection(self._address, self.timeout) as self._socket,
            self._socket.makefile("rwb") as stream,
        ):
            self._socket.settimeout(None)  # blocks() watches it
            # A satellite streams when a server is ready for it. A microphone server streams at once, and ignores this.
            write_event(RunSatellite().event(), stream)  # type: ignore[arg-type]
            while event := _read(read_event, stream, self.name):
                if Ping.is_type(event.type):
                    write_event(Pong(text=field(event, "text", str)).event(), stream)  # type: ignore[arg-type]
                elif AudioChunk.is_type(event.type):
                    yield sound_format(event)[0], sound_frames(event)

    def disconnect(self) -> None:
        if self._socket:
            with suppress(OSError):  # it has ended
                self._socket.shutdown(socket.SHUT_RDWR)


def _read(read_event: Any, stream: Any, name: str) -> Event | None:
    """Return the next message; None at the end.

    Raises:
        AudioError: this is no message.
    """
    ended = True

    class _Bounded:
        def readline(self) -> bytes:
            nonlocal ended
            line: bytes = stream.readline(MOST_BYTES)
            ended = not line
            return line

        def read(self, size: int) -> bytes:
            if size > MOST_BYTES:
                raise ValueError(size)
            data: bytes = stream.read(size)
            return data

    try:
        event: Event | None = read_event(_Bounded())
    except MALFORMED:
        event = None
    if event is None and not ended:
        raise AudioError(f"{name} sends what is no message of Wyoming")
    return event
