"""The cost of listening on this machine, part by part, within this process.

The parts run again and again without a pause, so the processor's caches are warm. A process that mostly waits for sound
costs several times more: ``tools/measure-process`` measures it.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from kws.audio.file import FileSource
from kws.audio.resample import Resampler
from kws.decision import Decider, DecisionSettings
from kws.features.windows import WindowStream
from kws.inference.model import Model
from kws.pipeline.pipeline import Pipeline, Scored, score
from kws.publishers.formats import as_json
from kws.types import AudioBlock, Detection, Float32Array

_RATE_IN = 44100
_BLOCK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Measured costs: medians over the runs.

    Attributes:
        parts: processor seconds for a second of sound, by part. Resampling is from 44.1 kHz and counts, though a
            source at 16 kHz needs none; publishing is of one detection a second, as a line of text.
        total: their sum.
        window_median, window_99: seconds from a window's sound to its decision, the median and the 99th percentile.
        memory: largest resident size of this process, in bytes; less than that of a process that only listens.
        file: processor seconds for a second of a recording at the model's rate, from the disk to the decision.
    """

    parts: dict[str, float]
    total: float
    window_median: float
    window_99: float
    memory: int
    file: float


def measure(model: Model, settings: DecisionSettings, *, seconds: float, runs: int) -> Cost:
    """Time each part on noise with a loud second now and then.

    Args:
        model: the model and its interpreter.
        settings: decision settings; their hop is the number of windows a second.
        seconds: length of the sound.
        runs: repetitions, of which the median counts.
    """
    rate = model.front_end.sample_rate
    hop = round(settings.hop * rate)
    blocks_in = to_blocks(noise(round(seconds * _RATE_IN), _RATE_IN), _RATE_IN)
    blocks = list(Resampler(_RATE_IN, rate).stream(blocks_in))
    spectrograms = [columns.copy() for columns in _spectrograms(model, hop, blocks)]
    scored = list(score(model, hop, blocks))

    def cost(part: Callable[[], object]) -> float:
        return median(processor_seconds(part) for _ in range(runs)) / seconds

    with TemporaryDirectory() as folder, Path(os.devnull).open("w", encoding="utf-8") as null:
        recording = Path(folder) / "noise.wav"
        soundfile.write(recording, np.concatenate([block.samples for block in blocks]), rate, subtype="PCM_16")
        parts = {
            "source": cost(lambda: _read(recording)),
            "resampling": cost(lambda: list(Resampler(_RATE_IN, rate).stream(blocks_in))),
            "windows": cost(lambda: _cut(model, hop, blocks)),
        }
        columns = cost(lambda: list(_spectrograms(model, hop, blocks)))
        parts["front-end"] = max(0.0, columns - parts["windows"])
        parts["network"] = cost(lambda: [model.posteriors(spectrogram) for spectrogram in spectrograms])
        parts["decision"] = cost(lambda: _decide(model, settings, scored))
        parts["publishing"] = cost(lambda: [print(_line(model), file=null, flush=True) for _ in range(int(seconds))])
        file = cost(lambda: _run(Pipeline(model, settings), recording))
    latencies = _latencies(model, settings, hop, blocks)
    return Cost(
        parts=parts,
        total=sum(parts.values()),
        window_median=float(np.median(latencies)),
        window_99=float(np.percentile(latencies, 99)),
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        file=file,
    )


def noise(size: int, rate: int) -> Float32Array:
    """Return noise, one second of four louder, float32 ``(size,)``."""
    rng = np.random.default_rng(0)
    loudness = np.where(np.arange(size) // rate % 4 == 3, 0.1, 0.003).astype(np.float32)
    return rng.standard_normal(size, np.float32) * loudness


def to_blocks(samples: Float32Array, rate: int) -> list[AudioBlock]:
    """Return the samples in blocks of a tenth of a second."""
    size = round(_BLOCK_SECONDS * rate)
    return [AudioBlock(samples[start : start + size], start) for start in range(0, len(samples), size)]


def processor_seconds(part: Callable[[], object]) -> float:
    """Return the processor time of this process that a call takes."""
    before = time.process_time()
    part()
    return time.process_time() - before


def new_decider(model: Model, settings: DecisionSettings) -> Decider:
    """Return a decider for the windows of a model."""
    return Decider(model.labels, settings, sample_rate=model.front_end.sample_rate, window=model.front_end.window)


def _read(path: Path) -> None:
    with FileSource(path) as source:
        for _ in source.blocks():
            pass


def _run(pipeline: Pipeline, path: Path) -> None:
    with FileSource(path) as source:
        for _ in pipeline.run(source):
            pass


def _cut(model: Model, hop: int, blocks: list[AudioBlock]) -> None:
    stream = WindowStream(model.front_end, hop)
    for block in blocks:
        for _ in stream.push(block):
            pass


def _spectrograms(model: Model, hop: int, blocks: list[AudioBlock]) -> Iterator[Float32Array]:
    stream = WindowStream(model.front_end, hop)
    for block in blocks:
        for _ in stream.push(block):
            yield stream.spectrogram()


def _decide(model: Model, settings: DecisionSettings, windows: list[Scored]) -> None:
    decider = new_decider(model, settings)
    for window in windows:
        decider.step(window.posteriors, window.end, window.level)


def _line(model: Model) -> str:
    return as_json(
        Detection(keyword=model.labels[2], score=0.97, start=11.62, end=12.3, time=datetime.now(UTC), model=model.name)
    )


def _latencies(model: Model, settings: DecisionSettings, hop: int, blocks: list[AudioBlock]) -> list[float]:
    """Return the seconds from the block that completes each window to its decision."""
    decider = new_decider(model, settings)
    stream = WindowStream(model.front_end, hop)
    taken = []
    for block in blocks:
        before = time.perf_counter()
        for window in stream.push(block):
            decider.step(model.posteriors(stream.spectrogram()), window.end, window.level)
            now = time.perf_counter()
            taken.append(now - before)
            before = now
    return taken
