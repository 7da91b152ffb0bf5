"""Messages between two processes over a socket: each is its length and its bytes."""

from __future__ import annotations

import select
import socket
import struct
import time

_LENGTH = struct.Struct("!I")
_READ = 1 << 18


class Messages:
    """One end of a connected stream socket. One thread receives; sending is for one thread at a time.

    Args:
        end: the socket, which is closed with it.
    """

    def __init__(self, end: socket.socket) -> None:
        self._socket = end
        self._unsent = b""
        self._received = bytearray()

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def make_room(self, size: int) -> None:
        """Have the system take so many bytes before anybody reads them, if it took fewer and lets itself be asked."""
        if self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < size:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size)

    def send(self, message: bytes) -> None:
        """Send a message, and wait until it is on its way.

        Raises:
            OSError: the other end is gone.
        """
        self._socket.sendall(self._unsent + _LENGTH.pack(len(message)) + message)
        self._unsent = b""

    def send_at_once(self, message: bytes) -> bool:
        """Send a message without ever waiting; False where the other end has too much to read already.

        Raises:
            OSError: the other end is gone.
        """
        if not self._push():
            return False
        self._unsent = _LENGTH.pack(len(message)) + message
        self._push()
        return True

    def _push(self) -> bool:
        """Send what is left of a message that did not go out as a whole; whether nothing is left."""
        while self._unsent:
            try:
                self._unsent = self._unsent[self._socket.send(self._unsent, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                return False
        return True

    def receive(self, timeout: float | None = None) -> bytes | None:
        """The next message; None where it has not come as a whole in ``timeout`` seconds.

        Raises:
            EOFError, OSError: the other end is gone.
        """
        end = None if timeout is None else time.monotonic() + timeout
        while (message := self._whole()) is None:
            if not readable(self.fileno(), timeout=None if end is None else max(0.0, end - time.monotonic())):
                return None
            data = self._socket.recv(_READ)
            if not data:
                raise EOFError
            self._received += data
        return message

    def _whole(self) -> bytes | None:
        """The first message that has come as a whole."""
        received = self._received
        if len(received) < _LENGTH.size:
            return None
        end = _LENGTH.size + _LENGTH.unpack_from(received)[0]
        if len(received) < end:
            return None
        message = bytes(memoryview(received)[_LENGTH.size : end])
        del received[:end]
        return message

    def waiting(self) -> bool:
        """Whether a message, or a part of one, or the end, is there."""
        return bool(self._received) or bool(readable(self.fileno(), timeout=0.0))


def readable(*descriptors: int, timeout: float | None) -> list[int]:
    """Those of which something can be read, or that are broken; none after ``timeout`` seconds."""
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, select.POLLIN)
    milliseconds = None if timeout is None else round(timeout * 1000)
    return [descriptor for descriptor, _ in poll.poll(milliseconds)]
