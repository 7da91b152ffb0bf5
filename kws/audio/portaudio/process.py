"""The other side of :class:`kws.audio.recorder.IsolatedMicrophone`: a process that has PortAudio to itself.

Started as ``python -m kws.audio.portaudio.process FD OPTIONS``. It takes two requests, ``open`` and ``close``, and
answers with messages whose first byte says what they are:

=====  ============================================================================
``O``  open; JSON: name, rate, channels
``S``  sound: :data:`HEAD` (the S, its position, overruns, when it came), then interleaved float32 samples
``F``  failed, or the sound has ended: JSON: kind (see :data:`KINDS`), text
``C``  closed, as was asked for or after the sound has ended
=====  ============================================================================

PortAudio's thread sends the sound itself; this one sleeps, for each thread that wakes costs more than what it does.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any, Self

from kws.audio.portaudio.devices import AbsentError, open_streams, refresh_devices
from kws.audio.portaudio.messages import Messages, readable
from kws.audio.portaudio.stream import START_SECONDS, InputStream, Receiver
from kws.errors import AudioError, KwsError, UsageError

OPEN, CLOSE = b"open", b"close"
OPENED, SOUND, FAILED, CLOSED = b"O", b"S", b"F", b"C"

#: What comes before the samples of a block; it leaves them aligned. The time is that of :func:`time.monotonic`, which
#: all processes share.
HEAD = struct.Struct("<c7xqqd")

#: Blocks that the system takes at once. One that it does not take whole is late, for its rest goes out with the next.
_ON_THE_WAY = 2

#: Errors that cross over, the special before the general; whatever else is raised becomes the last.
KINDS: dict[str, type[KwsError]] = {"absent": AbsentError, "usage": UsageError, "audio": AudioError}


class Sender(Receiver):
    """Sends sound as it comes; what cannot be sent yet waits.

    Args:
        messages: to whoever hears.
        keep: see :class:`~kws.audio.portaudio.stream.Receiver`.

    Attributes:
        came: when the last block did; 0 before the first.
        failure: why no more is sent, if that was no wish.
        news: a descriptor that can be read once the sound has ended.
    """

    def __init__(self, messages: Messages, *, keep: int) -> None:
        super().__init__(keep=keep)
        self._messages = messages
        self._waiting: deque[bytes] = deque()
        self._sending = threading.Lock()
        self._begun = False
        self._ended = False
        self.came = 0.0
        self.failure: Exception | None = None
        self.news, self._news = os.pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._sending:
            self._ended = True
            os.close(self.news)
            os.close(self._news)

    def begin(self, opened: bytes) -> None:
        """Send the message that says that the stream is open, and from now on what it hears."""
        with self._sending:
            self._messages.send(opened)
            self._begun = True

    def take(self, data: bytes, frames: int) -> None:
        with self._sending:
            if self._ended:
                return
            self.came = time.monotonic()
            if len(self._waiting) >= self.keep:
                self._waiting.popleft()
                self.lost += frames
            self._waiting.append(HEAD.pack(SOUND, self.position, self.overruns, self.came) + data)
            while self._begun and self._waiting and self._messages.send_at_once(self._waiting[0]):
                self._waiting.popleft()

    def fail(self, error: Exception) -> None:
        self.failure = error
        self.end()

    def end(self) -> None:
        with self._sending:
            if not self._ended:
                self._ended = True
                os.write(self._news, b".")

    def finish(self, message: bytes) -> None:
        """Send what still waits, and this after it."""
        with self._sending:
            self._ended = True
            for waiting in self._waiting:
                self._messages.send(waiting)
            self._messages.send(message)


def main(arguments: list[str]) -> None:
    # A service is ended by its own process, which then closes the connection; a terminal would tell both.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    messages = Messages(socket.socket(fileno=int(arguments[0])))
    options = json.loads(arguments[1])
    with suppress(EOFError, OSError):  # nobody is there any more
        serve(messages, options)


def serve(messages: Messages, options: dict[str, Any]) -> None:
    """Open and close the microphone as the other side asks, until it goes away.

    Raises:
        EOFError, OSError: it has gone away.
    """
    first = True
    while not open_streams:  # one that does not close means that PortAudio hangs: only a new process has a new one
        if messages.receive() != OPEN:
            messages.send(CLOSED)
            continue
        try:
            if not first:
                refresh_devices()  # what was plugged in since is found only so
            first = False
            _record(messages, **options)
            messages.send(CLOSED)
        except Exception as error:  # noqa: BLE001 - raised here, nobody would see it
            messages.send(_failed(error))


def _record(
    messages: Messages,
    *,
    device: str | int | None,
    channel: int | None,
    rate: int | None,
    preferred: int,
    block: float,
    timeout: float,
    buffer: float,
) -> None:
    """Hand over the sound until somebody asks to close, or it fails; which is told before closing, that may hang."""
    with Sender(messages, keep=max(1, round(buffer / block))) as sender:
        stream = InputStream(device, sender, channel=channel, rate=rate, preferred=preferred, block=block)
        stream.open()
        try:
            messages.make_room(_ON_THE_WAY * stream.block_bytes)
            opened = {"name": stream.name, "rate": stream.rate, "channels": stream.channels}
            sender.begin(OPENED + json.dumps(opened).encode())
            if error := _wait(messages, stream, sender, timeout):
                sender.finish(_failed(error))
        finally:
            stream.close()


def _wait(messages: Messages, stream: InputStream, sender: Sender, timeout: float) -> Exception | None:
    """Wait until somebody asks to close, or for why there is no more sound."""
    opened = time.monotonic()
    while True:
        limit = timeout if sender.came else max(timeout, START_SECONDS)
        left = max(sender.came, opened) + limit - time.monotonic()
        ready = readable(messages.fileno(), sender.news, timeout=max(0.0, left))
        if sender.news in ready:
            return stream.ended() if sender.failure is None else stream.failed(sender.failure)
        if ready:
            messages.receive()  # it can only be CLOSE
            return None
        if left <= 0:
            return stream.silent_for(limit)


def _failed(error: Exception) -> bytes:
    """The message that tells of an error.

    Raises:
        EOFError, OSError: this error; nobody is there any more who could be told.
    """
    if isinstance(error, EOFError | OSError):
        raise error
    kind = next((name for name, kind in KINDS.items() if isinstance(error, kind)), "audio")
    text = str(error) if isinstance(error, KwsError) else repr(error)
    return FAILED + json.dumps({"kind": kind, "text": text}).encode()


if __name__ == "__main__":
    main(sys.argv[1:])
