"""The Python API: keywords in arrays, streams, files and the microphone."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from kws import DEFAULT_MODEL
from kws.app.build import load_model as load_configured
from kws.app.build import make_pipeline, source_maker
from kws.audio.samples import Downmix, check_rate, decode
from kws.audio.source import Source
from kws.common.tables import check_known, inside, key_written
from kws.config.overrides import Override
from kws.config.reading import read_config
from kws.errors import OptionError
from kws.inference.model import Model, find_model
from kws.pipeline.pipeline import Pipeline
from kws.types import AudioBlock, Detection, Float32Array

#: The encodings of arrays, by NumPy's names of their types without the byte order.
_ENCODINGS = {"u1": "u8", "i2": "s16le", "i4": "s32le", "f4": "f32le", "f8": "f64le"}

#: An array with more channels has its axes the other way round.
_MOST_CHANNELS = 64

#: The tables of the configuration that say what is heard and what fires; the others publish and log.
_TABLES = ("source", "model", "decision", "keyword", "gate")


def load_model(
    name: str | os.PathLike[str] = DEFAULT_MODEL, *, interpreter: str | None = None, threads: int = 1
) -> Model:
    """Load a model that several spotters are to share.

    Args:
        name: of a model that ships, or the path of a model folder or of a network in one.
        interpreter: ``ai-edge-litert``, ``tflite-runtime`` or ``tensorflow``; None for the first that is installed.
        threads: for one window.

    Raises:
        KwsError: there is no such model or interpreter, or the model is damaged.
    """
    return Model(find_model(os.fspath(name)), interpreter=interpreter, threads=threads)


class Spotter:
    """Finds keywords in sound. It has the settings of ``kws listen`` and makes the same detections.

    The methods may be used at the same time, also from several threads: each call and each stream has a state of its
    own, and all share the model.

    Args:
        model: the name of a model that ships, the path of a model folder, or what :func:`load_model` returned.
        words: word files of ``kws enroll``, to listen for as well.
        keywords: of the model's keywords listen for these only; empty for none of them, None for all.
        threshold: the score from 0.01 to 1 at which keywords fire, or a dictionary with one for each of some keywords.
        sensitivity: 0 to 1; moves all thresholds: each is 1 less this.
        settings: other settings by their paths in the configuration, such as ``{"gate.wake_words": ["computer"]}``.

    Raises:
        KwsError: the model or a word file cannot be used, or a setting is wrong.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | Model = DEFAULT_MODEL,
        *,
        words: Sequence[str | os.PathLike[str]] = (),
        keywords: Sequence[str] | None = None,
        threshold: float | Mapping[str, float] | None = None,
        sensitivity: float | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        said: list[tuple[str, str, Any]] = []  # argument, path, value
        if not isinstance(model, Model):
            said.append(("model", "model.name", os.fspath(model)))
        for name, listed in (("words", words), ("keywords", keywords)):
            if isinstance(listed, str | os.PathLike):  # its letters would be taken
                raise OptionError(name, f"must be a list, not {os.fspath(listed)!r}")
        if files := [{"file": os.fspath(file)} for file in words]:
            said.append(("words", "word", files))
        if keywords is not None:
            said.append(("keywords", "decision.keywords", list(keywords)))
        if isinstance(threshold, Mapping):
            said += [("threshold", f"keyword.{key_written(word)}.threshold", one) for word, one in threshold.items()]
        else:
            said.append(("threshold", "decision.threshold", threshold))
        said.append(("sensitivity", "decision.sensitivity", sensitivity))
        for path, value in (settings or {}).items():
            with inside("settings"):
                check_known([path.partition(".")[0]], _TABLES, "table of settings that a Spotter has")
            said.append((path, path, value))
        overrides = [Override(option=name, key=path, value=value) for name, path, value in said if value is not None]
        self._config = read_config(None, overrides)
        self._model = load_configured(self._config, model if isinstance(model, Model) else None)
        self._keywords = self._pipeline().settings.listened  # and wrong settings are found now

    @property
    def keywords(self) -> tuple[str, ...]:
        """The keywords that are listened for, enrolled words included."""
        return self._keywords

    def spot(self, samples: npt.ArrayLike, rate: int) -> list[Detection]:
        """Return the detections in a whole recording.

        Args:
            samples: ``(n,)`` or ``(n, channels)``, which are mixed: floats in [-1, 1], or integers of 8 (unsigned), 16
                or 32 bits. Silence is assumed before and after it.
            rate: samples per second.

        Raises:
            KwsError: the array is no sound.
        """
        stream = self.stream(rate)
        return stream.push(samples) + stream.finish()

    def stream(self, rate: int) -> SpotterStream:
        """Return a stream to push sound into.

        Args:
            rate: samples per second.

        Raises:
            KwsError: no sound has this rate.
        """
        return SpotterStream(self._pipeline(), rate, self._config.sources[0].channel)

    def listen(
        self,
        audio: str | os.PathLike[str] | None = None,
        *,
        device: str | int | None = None,
        channel: int | None = None,
    ) -> Iterator[Detection]:
        """Yield the detections in the microphone, each as soon as it is made, or in other sound until it ends.

        Args:
            audio: a sound file, ``-`` for standard input, or a URL for ffmpeg; None for the microphone.
            device: the microphone, by its name, a part of it or its index (``kws devices``); None for the default.
            channel: the channel to hear, counted from 1; None for the mix of all.

        Raises:
            KwsError: the source cannot be opened or read any further.
        """
        said = {"input": audio and os.fspath(audio), "device": device, "channel": channel}
        said = {name: value for name, value in said.items() if value is not None}
        source = msgspec.structs.replace(self._config.sources[0], **said)
        config = msgspec.structs.replace(self._config, sources=(source,))
        pipeline = self._pipeline()
        return _listen(source_maker(config, source, hop=pipeline.settings.hop)(), pipeline)

    def _pipeline(self) -> Pipeline:
        return make_pipeline(self._config, self._config.sources[0], self._model)


class SpotterStream:
    """A stream of sound that is pushed block by block; :meth:`Spotter.stream` makes it.

    The detections are the same to the bit, however the sound is cut into blocks. One thread at a time may use it.
    """

    def __init__(self, pipeline: Pipeline, rate: int, channel: int | None) -> None:
        check_rate(rate, name="rate")
        self._pipeline = pipeline
        self._rate = rate
        self._channel = channel
        self._begin()

    def _begin(self) -> None:
        self._position = 0
        self._downmix = Downmix(self._channel, self._rate, name="samples", floats=True)
        self._pipeline.open(self._rate)

    def push(self, samples: npt.ArrayLike) -> list[Detection]:
        """Take the next block, of any size; return the detections that it completes.

        Args:
            samples: as for :meth:`Spotter.spot`.

        Raises:
            KwsError: the array is no sound.
        """
        block = AudioBlock(self._downmix.mix(_frames(samples), self._position), self._position)
        self._position = block.end
        return list(self._pipeline.detections(self._pipeline.push(block)))

    def skip(self, samples: int) -> None:
        """Take note that so many samples were lost before the next block. No detection spans such a gap."""
        self._position += samples

    def finish(self) -> list[Detection]:
        """End the stream; return the detections in its last moments. The next block begins another stream, at 0 s."""
        self._downmix.end()
        detections = list(self._pipeline.detections(self._pipeline.finish()))
        self._begin()
        return detections


def _listen(source: Source, pipeline: Pipeline) -> Iterator[Detection]:
    with source:
        yield from pipeline.detections(pipeline.run(source))


def _frames(samples: npt.ArrayLike) -> Float32Array:
    """Return samples as float32 ``(n, channels)``.

    Raises:
        OptionError: they are no sound.
    """
    array = np.asarray(samples)
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= _MOST_CHANNELS):
        raise OptionError("samples", f"must be of shape (n,) or (n, channels), not {array.shape}")
    if (encoding := _ENCODINGS.get(array.dtype.str[1:])) is None:
        raise OptionError("samples", f"must be float32, float64, int16, int32 or uint8, not {array.dtype}")
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return decode(little.tobytes(), encoding).reshape(len(array), array.shape[1] if array.ndim == 2 else 1)
