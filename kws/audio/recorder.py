"""A microphone in a process of its own, for those who listen for years.

PortAudio looks for devices once in its life, takes a list of them for granted, waits for ever on a sound server that
hangs, and is one for all microphones of a process. Here each has its own: it can look for devices anew while another
microphone is heard, and it can be ended and started again whatever it waits for.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Self

from kws.audio.microphone import Microphone, block_under
from kws.audio.portaudio import process as protocol
from kws.audio.portaudio.messages import Messages
from kws.audio.portaudio.stream import START_SECONDS
from kws.audio.resample import RATE
from kws.audio.samples import decode, mono
from kws.audio.source import Source
from kws.errors import AudioError, KwsError
from kws.types import AudioBlock

#: Seconds that opening may take, with the start of a process on a slow computer.
_OPEN_SECONDS = 15.0

#: Seconds beyond those after which the microphone itself gives up that the process has to say so.
_GRACE_SECONDS = 3.0

#: Seconds that closing may take before the process is ended instead.
_CLOSE_SECONDS = 0.5

#: Bytes that the system keeps on the way; small, so that what waits there is not old.
_SEND_BUFFER = 32768


class IsolatedMicrophone(Source):
    """See :class:`~kws.audio.microphone.Microphone`, with the same options; may be opened again and again.

    What is older than ``buffer`` seconds when the reader comes for it is dropped, and that is a gap.

    Attributes:
        overruns: how often the system lost samples since it was opened.
        drops: how often samples were dropped because the reader came too late, since it was opened.
    """

    live = True

    def __init__(
        self,
        device: str | int | None = None,
        *,
        channel: int | None = None,
        rate: int | None = None,
        timeout: float = 2.0,
        buffer: float = 0.5,
        hop: float = 0.1,
    ) -> None:
        # Options that cannot be are found now.
        self.name = Microphone(device, channel=channel, rate=rate, timeout=timeout, buffer=buffer, hop=hop).name
        self._channel = channel
        self._channels = 0
        self._options = {
            "device": device, "channel": channel, "rate": rate, "preferred": RATE,
            "block": block_under(hop), "timeout": timeout, "buffer": buffer,
        }  # fmt: skip
        self._timeout = timeout
        self._buffer = buffer
        self._process: subprocess.Popen[bytes] | None = None
        self._messages: Messages | None = None
        self._lock = threading.Lock()
        self._interrupted = False
        self._open = False
        self._failed = False

    def __enter__(self) -> Self:
        self.overruns = self.drops = 0
        self._failed = False
        self._ask(protocol.OPEN)
        answer = self._receive(_OPEN_SECONDS)
        if answer is None:
            raise AudioError(f"{self.name} does not open; the sound system hangs")
        opened = json.loads(answer[1:])
        self.name, self.rate, self._channels = opened["name"], opened["rate"], opened["channels"]
        self._open = True
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the device; the process stays, to open it again."""
        if not self._open:
            return
        self._open = False
        with suppress(KwsError):
            if not self._failed:
                self._ask(protocol.CLOSE)
            while (answer := self._receive(_CLOSE_SECONDS)) is not None and answer[:1] != protocol.CLOSED:
                pass
        self._begin()  # a sound system that hangs has cost the process; the next starts while its turn is waited for

    def interrupt(self) -> None:
        """End it for good, from any thread: :meth:`blocks` ends, and it cannot be opened again."""
        self._interrupted = True
        self._end()

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield sound as it comes, until :meth:`interrupt` is called.

        Raises:
            AudioError: the device ended the stream, or no sound came for ``timeout`` seconds.
        """
        waiting: deque[tuple[AudioBlock, float]] = deque()
        timeout = max(self._timeout, START_SECONDS)
        while True:
            # All that is there, so that what is dropped is the oldest of it.
            while not waiting or self._there():
                try:
                    received = self._next(timeout)
                except AudioError:
                    yield from (block for block, _ in waiting)
                    raise
                if received is None:
                    return
                timeout = self._timeout
                waiting.append(received)
            if waiting[0][1] < (oldest := time.monotonic() - self._buffer):
                self.drops += 1
                while waiting and waiting[0][1] < oldest:
                    waiting.popleft()
            else:
                yield waiting.popleft()[0]

    def _next(self, timeout: float) -> tuple[AudioBlock, float] | None:
        """The next block, and when it came; None after an interrupt."""
        message = self._receive(timeout + _GRACE_SECONDS)
        if self._interrupted:
            return None
        if message is None:
            raise AudioError(f"{self.name} delivered no sound for {timeout:g} s; the sound system hangs")
        _, position, self.overruns, came = protocol.HEAD.unpack_from(message)
        frames = decode(memoryview(message)[protocol.HEAD.size :], "f32le").reshape(-1, self._channels)
        return AudioBlock(mono(frames, self._channel), position), came

    def _there(self) -> bool:
        messages = self._messages
        return messages is not None and messages.waiting()

    def _ask(self, request: bytes) -> None:
        """Send a request, to a new process where there is none."""
        messages = self._begin()
        if messages is None:
            raise AudioError(f"{self.name} was closed")
        try:
            messages.send(request)
        except OSError:
            self._end()
            raise AudioError(f"{self.name}: its process has ended") from None

    def _receive(self, timeout: float) -> bytes | None:
        """The next message; None where there is none, and then there is no process any more either.

        Raises:
            KwsError: what the process says that failed; or it has ended.
        """
        messages = self._messages
        message = None
        try:
            # Asked a second time, for a computer that stood still had no time to say anything.
            if messages is not None:
                message = messages.receive(timeout) or messages.receive(min(timeout, 0.5))
        except (EOFError, OSError):
            self._end()
            if self._interrupted:
                return None
            raise AudioError(f"{self.name}: the process that records has ended") from None
        if message is None:
            self._end()
        elif message[:1] == protocol.FAILED:
            self._failed = True
            failure = json.loads(message[1:])
            raise protocol.KINDS[failure["kind"]](failure["text"])
        return message

    def _begin(self) -> Messages | None:
        """The connection to a process, a new one where there is none; None after an interrupt."""
        with self._lock:
            if self._messages is None and not self._interrupted:
                self._start()
            return self._messages

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
            number = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-m", protocol.__name__, str(number), json.dumps(self._options)],
                pass_fds=[number],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # ALSA and PortAudio talk there, with each attempt
            )
        self._messages = Messages(ours)

    def _end(self) -> None:
        """End the process, whatever it does."""
        with self._lock:
            process, self._process = self._process, None
            messages, self._messages = self._messages, None
        if process is not None:
            process.kill()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_SECONDS)
        if messages is not None and not self._interrupted:
            messages.close()  # otherwise another thread may be reading it; it sees the end, and that is all
