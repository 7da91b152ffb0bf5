"""A recording on disk: WAV, FLAC and Ogg (Vorbis, Opus), read by libsndfile block by block."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, Self

from kws.audio.channels import check_channel
from kws.audio.samples import Downmix, check_rate
from kws.audio.source import Source, opening
from kws.audio.wav import WavHeader, is_wav, read_header
from kws.errors import AudioError
from kws.types import AudioBlock, Float32Array

log = logging.getLogger(__name__)

#: Samples of each channel in one block: about a second at 16 kHz.
BLOCK = 16384

_UNRECOGNISED = 1  # libsndfile's SF_ERR_UNRECOGNISED_FORMAT


class FileSource(Source):
    """The sound of a file, mono, at the file's own rate. It holds one block in memory at a time.

    Args:
        path: a file of any rate, number of channels and sample format that libsndfile reads.
        channel: the channel to hear, counted from 1; None for the mean of all.
    """

    def __init__(self, path: str | os.PathLike[str], *, channel: int | None = None) -> None:
        check_channel(channel)
        self.name = str(path)
        self._path = Path(path)
        self._channel = channel
        self._file: BufferedReader | None = None
        self._sound: Any = None
        self._promised = 0  # samples that the header promises
        self._interrupted = False

    def __enter__(self) -> Self:
        soundfile = _load_soundfile()
        with opening(self):
            self._file = self._path.open("rb")
            self._open(self._file, soundfile)
        return self

    def __exit__(self, *_: object) -> None:
        for opened in (self._sound, self._file):
            if opened is not None:
                opened.close()

    def interrupt(self) -> None:
        self._interrupted = True

    def _open(self, file: BufferedReader, soundfile: Any) -> None:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise AudioError(f"{self.name} is empty (0 bytes)")
        header = self._wav_header(file)
        # soundfile would take a name that ends in .raw for a headerless file, so give it the descriptor.
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        try:
            sound = self._sound = soundfile.SoundFile(file.fileno(), closefd=False)
        except soundfile.LibsndfileError as error:
            if error.code == _UNRECOGNISED:
                raise AudioError(f"{self.name} is not a sound file (WAV, FLAC or Ogg)") from None
            log.debug("%s: libsndfile: %s", self.name, error.error_string)
            raise AudioError(f"{self.name} cannot be read: it is damaged, or not WAV, FLAC or Ogg") from None
        check_rate(sound.samplerate, name=self.name)
        check_channel(self._channel, sound.channels, name=self.name)
        self.rate = sound.samplerate
        self.length = sound.frames / sound.samplerate
        self._promised = sound.frames
        if header is not None and header.data_bytes and header.frame_bytes:
            # libsndfile silently takes the end of the file for the end of the sound.
            self._promised = max(self._promised, header.data_bytes // header.frame_bytes)
        if sound.frames == 0:
            if header is not None and header.data_bytes is None and size > header.data_start:
                raise AudioError(
                    f"{self.name}: its header says that it holds no sound, which happens when a recorder is killed; "
                    "read it as a pipe: kws listen - < FILE"
                )
            raise AudioError(f"{self.name} holds no sound")

    def _wav_header(self, file: BufferedReader) -> WavHeader | None:
        head = file.read(12)
        file.seek(0)
        if is_wav(head):
            with suppress(AudioError):  # libsndfile knows more formats and decides
                return read_header(file.read, name=self.name)
        return None

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield the sound in blocks of :data:`BLOCK` samples.

        Raises:
            AudioError: the file is damaged, or a sample is infinite or not a number; the message says where.
        """
        position = 0
        floats = not self._sound.subtype.startswith("PCM_")
        downmix = Downmix(self._channel, self.rate, name=self.name, floats=floats)
        while not self._interrupted:
            frames = self._read(position)
            if not len(frames):
                break
            yield AudioBlock(downmix.mix(frames, position), position)
            position += len(frames)
        downmix.end()
        if position < self._promised and not self._interrupted:
            log.warning(
                "%s is cut short: it ends after %.2f s, its header promises %.2f s",
                self.name, position / self.rate, self._promised / self.rate,
            )  # fmt: skip

    def _read(self, position: int) -> Float32Array:
        try:
            frames: Float32Array = self._sound.read(BLOCK, dtype="float32", always_2d=True)
        except RuntimeError as error:  # soundfile's
            log.debug("%s: libsndfile: %s", self.name, error)
            raise AudioError(f"{self.name} is damaged or cut short at {position / self.rate:.2f} s") from None
        return frames


def _load_soundfile() -> Any:
    try:
        import soundfile  # noqa: PLC0415
    except OSError as error:
        raise AudioError(
            f"audio files need libsndfile, which cannot be loaded (Debian: apt install libsndfile1): {error}"
        ) from None
    return soundfile
