"""A microphone, recorded by a process of its own.

PortAudio looks for devices once in its life, waits for ever on a sound server that hangs, and is shared by all
microphones of a process. So each recording gets a process (:mod:`kws.audio.portaudio.process`): it finds a device that
was plugged in since, and it can be killed whatever it waits for.
"""

from __future__ import annotations

import json
import math
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple, Self

from kws.audio.channels import check_channel
from kws.audio.portaudio import process as recorder
from kws.audio.resample import RATE
from kws.audio.samples import Downmix, decode
from kws.audio.source import Source
from kws.audio.waiting import readable
from kws.errors import AudioError, KwsError, OptionError, UsageError
from kws.types import AudioBlock

#: Seconds in one block at most: each block wakes two threads, which costs more than what they do with it.
_LONGEST_BLOCK = 0.12

#: Seconds that opening may take, including the start of a process on a slow computer.
_OPEN_SECONDS = 15.0

#: Seconds that we wait longer for a block than the process itself does.
_GRACE_SECONDS = 3.0

#: Seconds that closing may take before we kill the process.
_CLOSE_SECONDS = 0.5

#: The largest packet: a block and its head.
_PACKET = 1 << 18

#: Packets that become one block at most: few, because requests are obeyed between two blocks.
_MOST_JOINED = 4


def block_seconds(hop: float) -> float:
    """Return the length of a block that makes every window, ``hop`` seconds apart, end with a block."""
    return hop / math.ceil(round(hop / _LONGEST_BLOCK, 6))


class _Packet(NamedTuple):
    """Sound that the recorder sent: when it came, the positions of its beginning and end, and its samples."""

    came: float
    position: int
    end: int
    data: memoryview


class Microphone(Source):
    """The sound of a microphone, mono, at 16 kHz if the device has that rate and else at its own rate.

    It can be opened again and again. Samples that were lost, here or in the system, are a gap.

    Args:
        device: a name or a part of one, or an index (see :func:`~kws.audio.portaudio.devices.choose`); None for the
            default.
        channel: the channel to hear, counted from 1; None for the mean of all.
        rate: samples per second; None for 16000 if the device has it, else the device's default.
        timeout: seconds without sound after which :meth:`blocks` gives up.
        buffer: seconds of sound that wait for a slow reader; older sound is dropped.
        hop: seconds between the windows made of the sound, see :func:`block_seconds`.
    """

    live = True

    def __init__(
        self,
        device: str | int | None = None,
        *,
        channel: int | None = None,
        rate: int | None = None,
        timeout: float = 2.0,
        buffer: float = 5.0,
        hop: float = 0.1,
    ) -> None:
        check_channel(channel)
        if rate is not None and rate < 1:
            raise OptionError("rate", f"{rate}: must be positive")
        if min(timeout, buffer, hop) <= 0:
            raise UsageError("a microphone's timeout, buffer and hop must be positive")
        self.name = "the default microphone" if device is None else str(device)
        self._channel = channel
        self._channels = 0
        self._timeout = timeout
        self._buffer = buffer
        self._options = {
            "device": device, "channel": channel, "rate": rate, "preferred": RATE,
            "block": block_seconds(hop), "timeout": timeout, "buffer": buffer,
        }  # fmt: skip
        self._lock = threading.Lock()  # of the next two
        self._interrupted = False
        self._connection: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.overruns = self.drops = 0
        try:
            self._start()
            opened = json.loads(self._receive(_OPEN_SECONDS, "does not open")[1:])
        except BaseException:
            self.__exit__()
            raise
        self.name, self.rate, self._channels = opened["name"], opened["rate"], opened["channels"]
        # PortAudio converts from integers, so its floats are finite.
        self._downmix = Downmix(self._channel, self.rate, name=self.name, floats=False)
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is None or self._process is None:
            return
        connection.close()  # which asks the process to end
        for seconds in (_CLOSE_SECONDS, _GRACE_SECONDS):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
                break
            self._process.kill()

    def interrupt(self) -> None:
        """End :meth:`blocks` for good, from any thread; the microphone cannot be opened again."""
        with self._lock:
            self._interrupted = True
            if self._connection is not None:
                with suppress(OSError):  # the process has ended
                    self._connection.shutdown(socket.SHUT_RDWR)

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield sound as it comes, until :meth:`interrupt` is called. Sound that waits for the reader is one block.

        Raises:
            AudioError: the device ended the recording, or no sound came for ``timeout`` seconds.
        """
        assert self._connection is not None
        waiting: deque[_Packet] = deque()
        timeout = max(self._timeout, recorder.START_SECONDS)
        while True:
            try:
                if not waiting:
                    packet = self._receive(timeout + _GRACE_SECONDS, f"delivered no sound for {timeout:g} s")
                    waiting.append(self._sound(packet))
                    timeout = self._timeout
                # Take all that is there, so that what is dropped is the oldest of it.
                while next_packet := self._packet():
                    waiting.append(self._sound(next_packet))
            except KwsError:
                if self._interrupted:
                    return
                while waiting:
                    yield self._join(waiting)
                raise
            oldest = time.monotonic() - self._buffer
            if waiting[0].came >= oldest:
                yield self._join(waiting)
                continue
            self.drops += 1
            while waiting and waiting[0].came < oldest:
                waiting.popleft()

    def _join(self, waiting: deque[_Packet]) -> AudioBlock:
        """Take the oldest packets up to the first gap as one block: each block costs its reader more than its sound."""
        joined = [waiting.popleft()]
        while waiting and waiting[0].position == joined[-1].end and len(joined) < _MOST_JOINED:
            joined.append(waiting.popleft())
        position = joined[0].position
        frames = decode(b"".join(packet.data for packet in joined), "f32le").reshape(-1, self._channels)
        return AudioBlock(self._downmix.mix(frames, position), position)

    def _sound(self, packet: bytes) -> _Packet:
        _, position, self.overruns, came = recorder.HEAD.unpack_from(packet)
        data = memoryview(packet)[recorder.HEAD.size :]
        return _Packet(came, position, position + len(data) // (4 * self._channels), data)

    def _receive(self, timeout: float, problem: str) -> bytes:
        """Wait for the next packet.

        Raises:
            KwsError: see :meth:`_packet`; or ``problem``, after ``timeout`` seconds.
        """
        assert self._connection is not None
        descriptor = self._connection.fileno()
        while (packet := self._packet()) is None:
            # Ask twice: while a computer was suspended the process had no time to send anything.
            if not (readable(descriptor, timeout=timeout) or readable(descriptor, timeout=min(timeout, 0.5))):
                raise AudioError(f"{self.name} {problem}; the sound system hangs")
        return packet

    def _packet(self) -> bytes | None:
        """Return the next packet; None if none has come yet.

        Raises:
            KwsError: the error that the process reports; or it has ended.
        """
        assert self._connection is not None
        try:
            packet = self._connection.recv(_PACKET, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            packet = b""
        if not packet:
            raise AudioError(f"{self.name}: the process that records has ended")
        if packet[:1] == recorder.FAILED:
            kind, *arguments = json.loads(packet[1:])
            raise recorder.ERRORS[kind](*arguments)
        return packet

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with self._lock:
            if self._interrupted:
                ours.close()
                theirs.close()
                raise AudioError(f"{self.name} was closed")
            self._connection = ours
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", recorder.__name__, str(theirs.fileno()), json.dumps(self._options)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # ALSA and PortAudio report every attempt there
            )
