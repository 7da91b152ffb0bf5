"""Sound that arrives over the network, with the watch of a microphone: stalls, late readers and lost connections."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Self

from kws.audio.channels import check_channel
from kws.audio.samples import Downmix, check_rate
from kws.audio.source import Source
from kws.errors import AudioError, KwsError
from kws.types import AudioBlock, Float32Array

#: Seconds for the first sound to arrive after the source was opened, and for its thread to end.
_OPEN_SECONDS, _CLOSE_SECONDS = 10.0, 1.0


class NetworkSource(Source):
    """Sound that another computer sends. A thread receives it, so that the oldest is dropped if the reader is late.

    Args:
        name: what a user calls it.
        channel: the channel to hear, counted from 1; None for the mean of all.
        timeout: seconds without sound after which :meth:`blocks` gives up.
        buffer: seconds of sound that wait for a slow reader; older sound is dropped.
        ends: True if the sound may come to an end; else the end is an error.
    """

    live = True

    def __init__(self, name: str, *, channel: int | None, timeout: float, buffer: float, ends: bool = False) -> None:
        check_channel(channel)
        self.name = name
        self.timeout = timeout
        self._channel = channel
        self._buffer = buffer
        self._ends = ends
        self._ended = False
        self._changed = threading.Condition()  # its lock guards the next four
        self._waiting: deque[tuple[float, AudioBlock]] = deque()  # each block with the time of its arrival
        self._failure: KwsError | None = None
        self._interrupted = False
        self._opening = 0  # numbers the threads: one that was left behind is ignored

    def receive(self) -> Iterator[tuple[int, Float32Array]]:
        """Connect, and yield the rate and float32 ``(n, channels)`` of all that comes; runs in the thread.

        Raises:
            KwsError, OSError: there is no connection, or it ended.
        """
        raise NotImplementedError

    def disconnect(self) -> None:
        """End :meth:`receive`, from any thread; does nothing without a connection."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        with self._changed:
            self.rate = self.overruns = self.drops = 0
            self._waiting.clear()
            self._failure = None
            self._ended = False
            self._opening += 1
            self._thread = threading.Thread(target=self._run, args=(self._opening,), name=self.name, daemon=True)
            self._thread.start()
            self._changed.wait_for(lambda: self._waiting or self._failure or self._interrupted, _OPEN_SECONDS)
            failure = None if self._waiting else self._failure
            if not self._waiting and failure is None:
                failure = AudioError(f"{self.name}: no sound within {_OPEN_SECONDS:g} s")
        if failure:
            self.__exit__()
            raise failure
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()
        self._thread.join(_CLOSE_SECONDS)

    def interrupt(self) -> None:
        with self._changed:
            self._interrupted = True
            self._changed.notify_all()
        self.disconnect()

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield sound as it comes, until :meth:`interrupt` is called, or to its end if it may have one.

        Raises:
            AudioError: the connection ended, or no sound came for ``timeout`` seconds.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._failure or self._interrupted, self.timeout)
                if self._interrupted:
                    return
                if not self._waiting and self._ended:
                    return
                if not self._waiting:
                    raise self._failure or AudioError(f"{self.name} delivered no sound for {self.timeout:g} s")
                _, block = self._waiting.popleft()
            yield block

    def _run(self, opening: int) -> None:
        try:
            self._fill(opening)
            failure: KwsError = AudioError(f"{self.name} has ended")
            self._ended = self._ends and self.rate > 0
        except KwsError as error:
            failure = error
        except OSError as error:
            failure = AudioError(f"{self.name}: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001 - a defect must not leave the reader waiting
            failure = AudioError(f"{self.name}: {error!r}")
        with self._changed:
            if self._opening == opening:
                self._failure = failure
                self._changed.notify_all()

    def _fill(self, opening: int) -> None:
        downmix, position = None, 0
        for rate, frames in self.receive():
            if downmix is None:
                check_rate(rate, name=self.name)
                check_channel(self._channel, frames.shape[1], name=self.name)
                downmix = Downmix(self._channel, rate, name=self.name, floats=False)
                self.rate = rate
            if rate != self.rate:
                raise AudioError(f"{self.name} changed its rate from {self.rate} to {rate} samples per second")
            block = AudioBlock(downmix.mix(frames, position), position)
            position = block.end
            now = time.monotonic()
            with self._changed:
                if self._opening != opening:
                    return
                late = len(self._waiting)
                while self._waiting and self._waiting[0][0] < now - self._buffer:
                    self._waiting.popleft()
                self.drops += len(self._waiting) < late
                self._waiting.append((now, block))
                self._changed.notify_all()
