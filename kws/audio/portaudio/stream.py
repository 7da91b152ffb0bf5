"""Recording through PortAudio, which hands over its sound in a thread of its own."""

from __future__ import annotations

import atexit
import logging
import threading
from abc import ABC, abstractmethod
from typing import Any, Protocol

from kws.audio.channels import check_channel
from kws.audio.portaudio.devices import Device, find_device, load_portaudio, open_streams
from kws.common.stderr import silenced
from kws.errors import AudioError

log = logging.getLogger(__name__)

#: A device that claims more channels than this is taken for a converter, which mixes and splits them itself.
MAX_REAL_CHANNELS = 8

#: Seconds that the first block may take: a sound server first wakes the device.
START_SECONDS = 5.0

#: Seconds that closing may take: PortAudio waits for ever on a sound server that hangs.
CLOSE_SECONDS = 2.0


class Flags(Protocol):
    """What PortAudio says about the blocks before (``sounddevice.CallbackFlags``)."""

    input_overflow: bool


class Receiver(ABC):
    """What takes the sound. PortAudio's thread must return before the next block is due, so it copies and counts.

    Args:
        keep: blocks that may wait for whoever reads them; of more the oldest is lost.

    Attributes:
        keep: the same; a stream whose blocks are half as long keeps twice as many.
        position: of the frame that comes next.
        lost: frames that were not kept, because whoever reads them came too late (their number is known) or because
            the system did (one block is assumed, for PortAudio does not tell).
        overruns: how often the system came too late.
    """

    def __init__(self, *, keep: int) -> None:
        self.keep = keep
        self.position = 0
        self.lost = 0
        self.overruns = 0

    def callback(self, data: Any, frames: int, _time: object, status: Flags) -> None:
        """Take a block.

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
            self.take(bytes(data), frames)
            self.position += frames
        except Exception as error:  # noqa: BLE001 - raised here, nobody would see it
            self.fail(error)

    @abstractmethod
    def take(self, data: bytes, frames: int) -> None:
        """Keep a block, whose first frame is :attr:`position`."""

    @abstractmethod
    def fail(self, error: Exception) -> None:
        """Hear that a block could not be taken."""

    @abstractmethod
    def end(self) -> None:
        """Hear that no more will come; called by whatever thread."""


class InputStream:
    """A microphone that is open, or can be opened once.

    Args:
        device: a name or a part of one, or an index (see :func:`~kws.audio.portaudio.devices.choose`);
            None for the default.
        receiver: takes its sound: all channels of it that are open, interleaved, float32.
        channel: the channel that is wanted, counted from 1; None for the mean of all.
        rate: samples a second; None for ``preferred`` if the device takes it, else the device's default.
        preferred: samples a second at which nothing has to be resampled.
        block: seconds in one block. A block of another rate is half as long, for resampling holds back the last
            hundredths of a second: whoever waits for a whole block's sound would otherwise wait for two.

    Attributes:
        name: of the device, once it is known.
        rate: samples a second, once open.
        block_bytes: of one block, once open.
        closed: whether :meth:`close` was called.
        channels: that are open: all of a real device. A converter is asked for its own mix, or for the channels up
            to the one that is wanted.
    """

    def __init__(
        self,
        device: str | int | None,
        receiver: Receiver,
        *,
        channel: int | None,
        rate: int | None,
        preferred: int,
        block: float,
    ) -> None:
        self._device = device
        self._receiver = receiver
        self._channel = channel
        self._wanted_rate = rate
        self._preferred = preferred
        self._block = block
        self._stream: Any = None
        self._closing = threading.Lock()
        self.closed = False
        self.name = "the default microphone" if device is None else str(device)
        self.rate = 0
        self.channels = 0
        self.block_bytes = 0

    def open(self) -> None:
        """Open the device and begin.

        Raises:
            AudioError: it cannot be opened, or there is none.
            AbsentError: it is not there.
            UsageError: the name means several, or it has no such channel.
        """
        sounddevice = load_portaudio()
        device = find_device(self._device)
        self.name = device.name
        check_channel(self._channel, device.channels, name=device.name)
        self.channels = channels_to_open(device, self._channel)
        try:
            with silenced():  # PortAudio prints every setting that a device refuses
                self.rate = self._choose_rate(device, sounddevice)
                block = self._block
                if self.rate != self._preferred:
                    block /= 2
                    self._receiver.keep *= 2
                frames = round(self.rate * block)
                self.block_bytes = 4 * self.channels * frames
                stream = self._stream = sounddevice.RawInputStream(
                    device=device.index,
                    samplerate=self.rate,
                    channels=self.channels,
                    dtype="float32",
                    blocksize=frames,
                    latency="high",
                    callback=self._receiver.callback,
                    finished_callback=self._receiver.end,
                )
                open_streams.add(self)
                stream.start()
        except BaseException as error:
            self.close()
            if isinstance(error, sounddevice.PortAudioError):
                raise AudioError(f"{self.name} cannot be opened: {_first_line(error)}") from None
            raise

    def _choose_rate(self, device: Device, sounddevice: Any) -> int:
        rates = [self._preferred, device.rate] if self._wanted_rate is None else [self._wanted_rate]
        refusal = None
        for rate in rates:
            try:
                sounddevice.check_input_settings(
                    device=device.index, channels=self.channels, dtype="float32", samplerate=rate
                )
            except sounddevice.PortAudioError as error:
                refusal = error
            else:
                return rate
        tried = " or ".join(str(rate) for rate in dict.fromkeys(rates))
        raise AudioError(f"{self.name} cannot be opened at {tried} samples a second: {_first_line(refusal)}")

    def close(self) -> None:
        """Let go of the device; any thread may call it, a second time does nothing.

        PortAudio may wait for ever on a sound server that hangs; after :data:`CLOSE_SECONDS` the stream is left to
        its fate with a warning, and PortAudio is of no more use in this process.
        """
        with self._closing:
            if self.closed:
                return
            self.closed = True
        self._receiver.end()
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

    def silent_for(self, seconds: float) -> AudioError:
        """What to raise where no sound came for so many seconds."""
        return AudioError(f"{self.name} delivered no sound for {seconds:g} s; is it still plugged in?")

    def failed(self, error: Exception) -> AudioError:
        """What to raise where sound could not be taken."""
        return AudioError(f"{self.name} failed: {error!r}")

    def ended(self) -> AudioError:
        """What to raise where the sound has ended and nobody has closed it."""
        return AudioError(f"{self.name} ended the recording; is it still plugged in?")


def channels_to_open(device: Device, channel: int | None) -> int:
    """All of a real device. A converter is asked for its own mix, or for the channels up to the one to hear.

    One channel of a converter would be the mix, so its first channel is taken from two.
    """
    if device.channels <= MAX_REAL_CHANNELS:
        return device.channels
    return 1 if channel is None else max(2, channel)


def _first_line(error: Exception | None) -> str:
    return str(error).partition("\n")[0]
