"""A microphone, through PortAudio.

Two threads meet here. PortAudio's must return before the next block is due, so all that it does is copy, count and
queue (:class:`Capture`); the reader's waits for the queue and does the rest.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Iterator
from contextlib import suppress
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Protocol, Self

from kws.errors import AudioError, UsageError
from kws.sources.devices import Device, find_device, load_portaudio, open_streams
from kws.sources.resample import RATE
from kws.sources.samples import check_channel, decode, mono
from kws.stderr import silenced
from kws.values import AudioBlock, Float32Array

log = logging.getLogger(__name__)

#: Seconds in one block: what a detection waits for at most, and nothing where windows end as blocks do. Each wakes two
#: threads, which costs more than what is done with it.
BLOCK_SECONDS = 0.05

#: A device that claims more channels than this is taken for a converter, which mixes and splits them itself.
MAX_REAL_CHANNELS = 8

#: Seconds that the first block may take: a sound server first wakes the device.
START_SECONDS = 5.0

#: Seconds that closing may take: PortAudio waits for ever on a sound server that hangs.
CLOSE_SECONDS = 2.0


class Flags(Protocol):
    """What PortAudio says about the blocks before (``sounddevice.CallbackFlags``)."""

    input_overflow: bool


class Capture:
    """Sound on its way from PortAudio's thread to the reader's.

    Attributes:
        position: of the frame that comes next.
        lost: frames that were not kept, because the reader came too late (their number is known) or because the
            system did (one block is assumed, for PortAudio does not tell).
        overruns: how often the system came too late.
    """

    def __init__(self, *, max_blocks: int) -> None:
        self._queue: SimpleQueue[tuple[int, bytes] | Exception | None] = SimpleQueue()
        self._max_blocks = max_blocks
        self.position = 0
        self.lost = 0
        self.overruns = 0

    def callback(self, data: Any, frames: int, _time: object, status: Flags) -> None:
        """Take a block; where too many wait, the oldest goes.

        Called by PortAudio in its own thread: never waits, logs or raises.

        Args:
            data: a buffer of interleaved float32 that is PortAudio's again after the call.
            frames: samples of each channel in it.
            status: whether sound was lost before it.
        """
        try:
            if status.input_overflow:
                self.overruns += 1
                self.lost += frames
                self.position += frames
            if self._queue.qsize() >= self._max_blocks:
                with suppress(Empty):  # the reader may have come at last
                    self._queue.get_nowait()
                    self.lost += frames
            self._queue.put((self.position, bytes(data)))
            self.position += frames
        except Exception as error:  # noqa: BLE001 - raised here, it would never reach the reader
            self._queue.put(error)

    def end(self) -> None:
        """Tell the reader that no more will come."""
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


class Microphone:
    """The sound of a microphone, mono, at 16 kHz where the device has that rate and at its own rate otherwise.

    A position counts lost samples too, so a loss is a gap. The reader has ``buffer`` seconds to come back for more
    before the oldest are lost. Another thread may call :meth:`close`, and :meth:`blocks` then ends.

    Args:
        device: a name or a part of one, or an index (see :func:`kws.sources.devices.choose`); None for the default.
        channel: the channel to hear, counted from 1; None hears the mean of all.
        rate: samples a second; None for 16000 if the device takes it, else the device's default.
        timeout: seconds without sound after which :meth:`blocks` takes the microphone for gone.
        buffer: seconds of sound that wait for the reader at most.
    """

    live = True
    length: float | None = None

    def __init__(
        self,
        device: str | int | None = None,
        *,
        channel: int | None = None,
        rate: int | None = None,
        timeout: float = 2.0,
        buffer: float = 5.0,
    ) -> None:
        check_channel(channel)
        if rate is not None and rate < 1:
            raise UsageError(f"rate {rate}: a microphone needs a positive rate")
        if timeout <= 0 or buffer <= 0:
            raise UsageError("a microphone's timeout and buffer must be positive")
        self._device = device
        self._channel = channel
        self._wanted_rate = rate
        self._timeout = timeout
        self._capture = Capture(max_blocks=max(1, round(buffer / BLOCK_SECONDS)))
        self._stream: Any = None
        self._channels = 0
        self._end = 0
        self._closing = threading.Lock()
        self._closed = False
        self.name = "the default microphone" if device is None else str(device)
        self.rate = 0

    @property
    def lost(self) -> int:
        """Samples lost since the beginning, counted or assumed."""
        return self._capture.lost

    @property
    def backlog(self) -> float:
        """Seconds of sound that have come since the block that was yielded last."""
        return (self._capture.position - self._end) / self.rate

    @property
    def overruns(self) -> int:
        """How often the system lost samples before they came here."""
        return self._capture.overruns

    def __enter__(self) -> Self:
        sounddevice = load_portaudio()
        device = find_device(self._device)
        self.name = device.name
        check_channel(self._channel, device.channels, name=device.name)
        self._channels = _channels_to_open(device, self._channel)
        try:
            with silenced():  # PortAudio prints every setting that a device refuses
                self.rate = self._choose_rate(device, sounddevice)
                stream = self._stream = sounddevice.RawInputStream(
                    device=device.index,
                    samplerate=self.rate,
                    channels=self._channels,
                    dtype="float32",
                    blocksize=round(self.rate * BLOCK_SECONDS),
                    latency="high",
                    callback=self._capture.callback,
                    finished_callback=self._capture.end,
                )
                open_streams.add(self)
                stream.start()
        except BaseException as error:
            self.close()
            if isinstance(error, sounddevice.PortAudioError):
                raise AudioError(f"{self.name} cannot be opened: {_first_line(error)}") from None
            raise
        return self

    def _choose_rate(self, device: Device, sounddevice: Any) -> int:
        rates = [RATE, device.rate] if self._wanted_rate is None else [self._wanted_rate]
        refusal = None
        for rate in rates:
            try:
                sounddevice.check_input_settings(
                    device=device.index, channels=self._channels, dtype="float32", samplerate=rate
                )
            except sounddevice.PortAudioError as error:
                refusal = error
            else:
                return rate
        tried = " or ".join(str(rate) for rate in dict.fromkeys(rates))
        raise AudioError(f"{self.name} cannot be opened at {tried} samples a second: {_first_line(refusal)}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the device and end :meth:`blocks`; any thread may call it, a second time does nothing.

        PortAudio may wait for ever on a sound server that hangs; after :data:`CLOSE_SECONDS` the stream is left to
        its fate with a warning, and PortAudio is of no more use in this process.
        """
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._capture.end()
        if self._stream is None:
            return
        closer = threading.Thread(target=self._close_stream, args=(self._stream,), daemon=True, name="close microphone")
        closer.start()
        closer.join(CLOSE_SECONDS)
        if closer.is_alive():
            log.warning("%s does not close; the sound system hangs", self.name)
            # At exit, python-sounddevice would wait for the stream too.
            atexit.unregister(load_portaudio()._exit_handler)  # noqa: SLF001

    def _close_stream(self, stream: Any) -> None:
        # Not abort(): it cancels PortAudio's thread wherever it is, and Python's lock with it.
        stream.stop()
        stream.close()
        open_streams.discard(self)

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield sound as it comes, until :meth:`close` is called.

        Raises:
            AudioError: the device ended the stream, or no sound came for ``timeout`` seconds.
        """
        timeout = max(self._timeout, START_SECONDS)
        while (item := self._next(timeout)) is not None and not self._closed:
            position, data = item
            timeout = self._timeout
            frames: Float32Array = decode(data, "f32le").reshape(-1, self._channels)
            self._end = position + len(frames)
            yield AudioBlock(mono(frames, self._channel), position)

    def _next(self, timeout: float) -> tuple[int, bytes] | None:
        try:
            item = self._capture.get(timeout=timeout)
        except Empty:
            raise AudioError(f"{self.name} delivered no sound for {timeout:g} s; is it still plugged in?") from None
        except Exception as error:
            raise AudioError(f"{self.name} failed: {error!r}") from error
        if item is None and not self._closed:
            raise AudioError(f"{self.name} ended the recording; is it still plugged in?")
        return item


def _channels_to_open(device: Device, channel: int | None) -> int:
    """All of a real device. A converter is asked for its own mix, or for the channels up to the one to hear.

    One channel of a converter would be the mix, so its first channel is taken from two.
    """
    if device.channels <= MAX_REAL_CHANNELS:
        return device.channels
    return 1 if channel is None else max(2, channel)


def _first_line(error: Exception | None) -> str:
    return str(error).partition("\n")[0]
