"""The process that records for a :class:`~kws.audio.microphone.Microphone`, and has PortAudio to itself.

``python -m kws.audio.portaudio.process FD OPTIONS`` opens the device that OPTIONS (JSON) name and sends packets over
the socket FD until the other end closes it. The first byte of a packet is its kind:

=====  ============================================================================
``O``  open; JSON: name, rate, channels
``S``  sound: :data:`HEAD` (the S, its position, overruns, when it came), then interleaved float32 samples
``F``  the recording failed or ended; JSON: the error: an index of :data:`ERRORS`, its arguments
=====  ============================================================================

PortAudio's thread sends the sound itself while the main thread sleeps: waking a thread costs more than its work.
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
from typing import Any, Protocol

from kws.audio.portaudio.stream import choose_stream, start_stream
from kws.audio.waiting import readable
from kws.errors import AbsentError, AudioError, KwsError, OptionError, UsageError

OPENED, SOUND, FAILED = b"O", b"S", b"F"

#: What comes before the samples of a block; its size keeps them aligned. The time is that of :func:`time.monotonic`,
#: which all processes share.
HEAD = struct.Struct("<c7xqqd")

#: The errors that cross over, special ones before general ones; anything else becomes the last.
ERRORS: tuple[type[KwsError], ...] = (AbsentError, OptionError, UsageError, AudioError)

#: Seconds that the first block may take: a sound server first wakes the device.
START_SECONDS = 5.0

#: Seconds that closing may take: PortAudio waits for ever on a sound server that hangs.
_CLOSE_SECONDS = 2.0

#: Bytes that the socket holds at least, and blocks. Few, so that what waits there is not old.
_SEND_BUFFER, _BLOCKS_IN_SOCKET = 32_768, 2


class Flags(Protocol):
    """PortAudio's report on the blocks before (``sounddevice.CallbackFlags``)."""

    input_overflow: bool


class Sender:
    """Sends blocks as they come. Those that the socket does not take wait; of too many, it drops the oldest.

    Args:
        connection: a connected packet socket (``SOCK_SEQPACKET``).
        keep: blocks that may wait.
        left_out: frames at the beginning that are not sent, fewer than a block has.

    Attributes:
        position: the frame that comes next. It counts frames that were lost: one block for each overrun, because
            PortAudio does not say how many.
        overruns: how often the system lost sound before it came here.
        came: when the last block came; 0 before the first.
        failure: the error that ended it, or None.
        ended: a descriptor that is readable once no more sound will come.
    """

    def __init__(self, connection: socket.socket, *, keep: int, left_out: int = 0) -> None:
        self.position = 0
        self.overruns = 0
        self.came = 0.0
        self.failure: Exception | None = None
        self.ended = os.eventfd(0)
        self._connection = connection
        self._keep = keep
        self._left_out = left_out
        self._waiting: deque[bytes] = deque()
        self._sending = threading.Lock()
        self._open = False

    def begin(self, opened: bytes) -> None:
        """Send the packet that says that the stream is open, and from now on its sound."""
        with self._sending:
            self._connection.send(opened)
            self._open = True

    def callback(self, data: Any, frames: int, _time: object, status: Flags) -> None:
        """Take a block. PortAudio's thread calls it: it never waits for the reader, logs or raises.

        Args:
            data: a buffer of interleaved float32, which PortAudio uses again after the call.
            frames: samples of each channel in it.
            status: whether sound was lost before it.
        """
        try:
            if self._left_out:
                data = data[len(data) // frames * self._left_out :]
                frames -= self._left_out
                self._left_out = 0
            if status.input_overflow:
                self.overruns += 1
                self.position += frames
            with self._sending:
                self.came = time.monotonic()
                head = HEAD.pack(SOUND, self.position, self.overruns, self.came)
                self.position += frames
                try:
                    while self._open and self._waiting:
                        self._connection.send(self._waiting[0], socket.MSG_DONTWAIT)
                        self._waiting.popleft()
                    if self._open:
                        self._connection.sendmsg((head, data), (), socket.MSG_DONTWAIT)
                        return
                except BlockingIOError:
                    pass
                if len(self._waiting) >= self._keep:
                    self._waiting.popleft()
                self._waiting.append(head + bytes(data))
        except Exception as error:  # noqa: BLE001 - PortAudio's thread would lose it
            self.failure = error
            self.finished()

    def finished(self) -> None:
        """Note that no more sound will come; any thread may call it."""
        os.eventfd_write(self.ended, 1)

    def finish(self, packet: bytes) -> None:
        """Send what still waits, and a last packet."""
        with self._sending:
            self._open = False
            for waiting in (*self._waiting, packet):
                self._connection.send(waiting)


def main(arguments: list[str]) -> None:
    # The parent ends this process by closing the connection; a terminal would signal both.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(arguments[0])) as connection, suppress(OSError):  # the parent is gone
        try:
            _record(connection, **json.loads(arguments[1]))
        except Exception as error:
            if isinstance(error, OSError):
                raise
            connection.send(_failed(error))


def _record(connection: socket.socket, *, block: float, timeout: float, buffer: float, **wanted: Any) -> None:
    """Send the sound until the parent closes the connection or the recording fails; see :func:`choose_stream`."""
    opened = choose_stream(block=block, **wanted)
    sender = Sender(connection, keep=max(1, round(buffer * opened.rate / opened.frames)), left_out=opened.left_out)
    stream = start_stream(opened, callback=sender.callback, finished=sender.finished)
    size = max(_SEND_BUFFER, _BLOCKS_IN_SOCKET * opened.block_bytes)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)
    facts = {"name": opened.name, "rate": opened.rate, "channels": opened.channels}
    sender.begin(OPENED + json.dumps(facts).encode())
    if problem := _wait(connection, sender, timeout):
        sender.finish(_failed(AudioError(f"{opened.name} {problem}")))  # before closing, which may hang
    exit_anyway = threading.Timer(_CLOSE_SECONDS, os._exit, (1,))
    exit_anyway.daemon = True
    exit_anyway.start()
    stream.stop()  # not abort(): it cancels PortAudio's thread anywhere, perhaps while that holds Python's lock
    stream.close()


def _wait(connection: socket.socket, sender: Sender, timeout: float) -> str | None:
    """Wait until the parent closes the connection, and return None; or return why there is no more sound."""
    opened = time.monotonic()
    while True:
        limit = timeout if sender.came else max(timeout, START_SECONDS)
        left = max(sender.came, opened) + limit - time.monotonic()
        # Look again after ``timeout``: the first block shortens the limit and does not wake this thread.
        ready = readable(connection.fileno(), sender.ended, timeout=max(0.0, min(left, timeout)))
        if connection.fileno() in ready:
            return None
        if ready:
            return f"failed: {sender.failure!r}" if sender.failure else "ended the recording; is it still plugged in?"
        if left <= 0:
            return f"delivered no sound for {limit:g} s; is it still plugged in?"


def _failed(error: Exception) -> bytes:
    """Return the packet that reports an error."""
    kind = next((number for number, kind in enumerate(ERRORS) if isinstance(error, kind)), len(ERRORS) - 1)
    if isinstance(error, OptionError):
        return FAILED + json.dumps([kind, error.field, error.problem]).encode()
    return FAILED + json.dumps([kind, str(error) if isinstance(error, KwsError) else repr(error)]).encode()


if __name__ == "__main__":
    main(sys.argv[1:])
