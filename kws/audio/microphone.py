"""A microphone, through PortAudio.

Two threads meet here. PortAudio's must return before the next block is due, so all that it does is copy, count and
queue (:class:`Capture`); the reader's waits for the queue and does the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Self

from kws.audio.channels import check_channel
from kws.audio.portaudio.stream import START_SECONDS, InputStream, Receiver
from kws.audio.resample import RATE
from kws.audio.samples import decode, mono
from kws.audio.source import Source
from kws.errors import UsageError
from kws.types import AudioBlock

#: Seconds in one block at most: each wakes two threads, which costs more than what is done with it.
_LONGEST_BLOCK = 0.1


def block_under(hop: float) -> float:
    """Seconds in one block where windows are ``hop`` seconds apart: they end as blocks do, and none is waited for."""
    return hop / math.ceil(round(hop / _LONGEST_BLOCK, 6))


class Capture(Receiver):
    """Sound on its way from PortAudio's thread to the reader's."""

    def __init__(self, *, keep: int) -> None:
        super().__init__(keep=keep)
        self._queue: SimpleQueue[tuple[int, bytes] | Exception | None] = SimpleQueue()

    def take(self, data: bytes, frames: int) -> None:
        if self._queue.qsize() >= self.keep:
            with suppress(Empty):  # the reader may have come at last
                self._queue.get_nowait()
                self.lost += frames
        self._queue.put((self.position, data))

    def fail(self, error: Exception) -> None:
        self._queue.put(error)

    def end(self) -> None:
        self._queue.put(None)

    def get(self, *, timeout: float) -> tuple[int, bytes] | None:
        """The next block as (position of its first frame, float32 frames), or None at the end.

        Raises:
            queue.Empty: none came in ``timeout`` seconds.
            Exception: whatever went wrong in the callback.
        """
        item = self._queue.get(timeout=timeout)
        if isinstance(item, Exception):
            raise item
        return item


class Microphone(Source):
    """The sound of a microphone, mono, at 16 kHz where the device has that rate and at its own rate otherwise.

    A position counts lost samples too, so a loss is a gap. The reader has ``buffer`` seconds to come back for more
    before the oldest are lost. Another thread may call :meth:`close`, and :meth:`blocks` then ends.

    Args:
        device: a name or a part of one, or an index (see :func:`~kws.audio.portaudio.devices.choose`);
            None for the default.
        channel: the channel to hear, counted from 1; None hears the mean of all.
        rate: samples a second; None for 16000 if the device takes it, else the device's default.
        timeout: seconds without sound after which :meth:`blocks` takes the microphone for gone.
        buffer: seconds of sound that wait for the reader at most.
        hop: seconds between the windows that are made of it, see :func:`block_under`.
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
            raise UsageError(f"rate {rate}: a microphone needs a positive rate")
        if min(timeout, buffer, hop) <= 0:
            raise UsageError("a microphone's timeout, buffer and hop must be positive")
        self._channel = channel
        self._timeout = timeout
        block = block_under(hop)
        self._capture = Capture(keep=max(1, round(buffer / block)))
        self._stream = InputStream(device, self._capture, channel=channel, rate=rate, preferred=RATE, block=block)
        self.name = self._stream.name

    @property
    def lost(self) -> int:
        """Samples lost since the beginning, counted or assumed."""
        return self._capture.lost

    def __enter__(self) -> Self:
        self._stream.open()
        self.name, self.rate = self._stream.name, self._stream.rate
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def interrupt(self) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the device and end :meth:`blocks`; see :meth:`kws.audio.portaudio.stream.InputStream.close`."""
        self._stream.close()

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield sound as it comes, until :meth:`close` is called.

        Raises:
            AudioError: the device ended the stream, or no sound came for ``timeout`` seconds.
        """
        timeout = max(self._timeout, START_SECONDS)
        while (item := self._next(timeout)) is not None and not self._stream.closed:
            position, data = item
            timeout = self._timeout
            self.overruns = self._capture.overruns
            frames = decode(data, "f32le").reshape(-1, self._stream.channels)
            yield AudioBlock(mono(frames, self._channel), position)

    def _next(self, timeout: float) -> tuple[int, bytes] | None:
        try:
            item = self._capture.get(timeout=timeout)
        except Empty:
            raise self._stream.silent_for(timeout) from None
        except Exception as error:
            raise self._stream.failed(error) from error
        if item is None and not self._stream.closed:
            raise self._stream.ended()
        return item
