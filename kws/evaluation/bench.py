"""What listening costs on this machine, part by part, within this process.

Everything here runs again and again without a pause, so that processor caches are warm. What a process costs that
waits for sound most of the time is another question: :mod:`kws.evaluation.bench_process`.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np

from kws.audio.file import FileSource
from kws.audio.resample import Resampler
from kws.common.stderr import silenced
from kws.decision import Decider, DecisionSettings
from kws.features.windows import WindowStream
from kws.inference.interpreter import load_interpreter
from kws.inference.model import Model
from kws.pipeline.pipeline import Pipeline, score
from kws.publishers.formats import as_json
from kws.types import AudioBlock, Detection, Float32Array

_RATE_IN = 44100
_BLOCK = 0.1
_STREAMS = 8
_BATCHES = (1, 2, 4, 8, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What was measured: medians over the runs.

    Attributes:
        parts: processor seconds for a second of sound, by part. Resampling is from 44.1 kHz and counts, though a
            source at 16 kHz needs none; publishing is of one detection a second, as a line of text.
        total: their sum.
        window_median, window_99: seconds from a window's sound to its decision, the median and the 99th percentile.
        memory: largest resident size of this process, in bytes; less than that of a process that only listens.
        file: processor seconds for a second of a recording at 16 kHz, from the disk to the decision.
        stream: processor seconds for a second of each of several streams that one process hears with one model.
        batches: windows a second that the network alone scores on one core, by windows in one call; without those
            that the interpreter refuses.
    """

    parts: dict[str, float]
    total: float
    window_median: float
    window_99: float
    memory: int
    file: float
    stream: float
    batches: dict[int, float]


def measure(model: Model, settings: DecisionSettings, *, seconds: float, runs: int) -> Cost:
    """Time every part on its own on noise with a loud second now and then.

    Args:
        model: and its interpreter, to measure.
        settings: of the decision; its hop decides how many windows a second has.
        seconds: of sound a run.
        runs: of which the median counts.
    """
    rate = model.front_end.sample_rate
    hop = round(settings.hop * rate)
    blocks_in = to_blocks(sound(round(seconds * _RATE_IN), _RATE_IN), _RATE_IN)
    blocks = list(Resampler(_RATE_IN, rate).stream(blocks_in))
    spectrograms = [columns.copy() for columns in _spectrograms(model, hop, blocks)]
    scored = list(score(model, hop, blocks))

    def cost(part: Callable[[], object]) -> float:
        return median(processor_seconds(part) for _ in range(runs)) / seconds

    def decide() -> None:
        decider = _decider(model, settings)
        for window in scored:
            decider.step(window.posteriors, window.end, window.level, silent=window.silent)

    with TemporaryDirectory() as folder, Path(os.devnull).open("w", encoding="utf-8") as nobody:
        recording = Path(folder) / "noise.wav"
        _write(recording, np.concatenate([block.samples for block in blocks]), rate)
        parts = {
            "source": cost(lambda: _read(recording)),
            "resampling": cost(lambda: list(Resampler(_RATE_IN, rate).stream(blocks_in))),
            "windows": cost(lambda: _cut(model, hop, blocks)),
        }
        columns = cost(lambda: list(_spectrograms(model, hop, blocks)))
        parts["front-end"] = max(0.0, columns - parts["windows"])
        parts["network"] = cost(lambda: [model.posteriors(spectrogram) for spectrogram in spectrograms])
        parts["decision"] = cost(decide)
        parts["publishing"] = cost(lambda: [print(_line(model), file=nobody, flush=True) for _ in range(int(seconds))])
        file = cost(lambda: _hear(Pipeline(model, settings), recording))
    latencies = _latencies(model, settings, hop, blocks)
    return Cost(
        parts=parts,
        total=sum(parts.values()),
        window_median=float(np.median(latencies)),
        window_99=float(np.percentile(latencies, 99)),
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        file=file,
        stream=cost(lambda: hear_many(model, settings, blocks, streams=_STREAMS)) / _STREAMS,
        batches=batches(model, spectrograms, runs=runs),
    )


def batches(model: Model, spectrograms: Sequence[Float32Array], *, runs: int) -> dict[int, float]:
    """Windows a second on one core, by windows in one call."""
    images = np.stack([model.front_end.fit_image(spectrogram) for spectrogram in spectrograms[: max(_BATCHES)]])
    rates = {}
    for size in _BATCHES:
        if size > len(images):
            break
        with silenced():
            _, module = load_interpreter(model.network.interpreter)
            interpreter = module.Interpreter(model_path=str(model.path), num_threads=1)
            entry = interpreter.get_input_details()[0]
            try:
                interpreter.resize_tensor_input(entry["index"], (size, *images.shape[1:]))
                interpreter.allocate_tensors()
            except (RuntimeError, ValueError):
                break
        interpreter.set_tensor(entry["index"], model.network.stored(images[:size]))
        calls = max(1, 32 // size)
        interpreter.invoke()
        taken = [processor_seconds(lambda: [interpreter.invoke() for _ in range(calls)]) for _ in range(runs)]  # noqa: B023 - called here
        rates[size] = calls * size / max(median(taken), 1e-9)
    return rates


def sound(size: int, rate: int) -> Float32Array:
    """Noise, one second of four louder, float32 ``(size,)``."""
    rng = np.random.default_rng(0)
    loudness = np.where(np.arange(size) // rate % 4 == 3, 0.1, 0.003).astype(np.float32)
    return rng.standard_normal(size, np.float32) * loudness


def to_blocks(samples: Float32Array, rate: int) -> list[AudioBlock]:
    size = round(_BLOCK * rate)
    return [AudioBlock(samples[start : start + size], start) for start in range(0, len(samples), size)]


def _write(path: Path, samples: Float32Array, rate: int) -> None:
    import soundfile  # noqa: PLC0415 - only who measures writes

    soundfile.write(path, samples, rate, subtype="PCM_16")


def _read(path: Path) -> None:
    with FileSource(path) as source:
        for _ in source.blocks():
            pass


def _hear(pipeline: Pipeline, path: Path) -> None:
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
            yield stream.columns()


def _decider(model: Model, settings: DecisionSettings) -> Decider:
    return Decider(model.labels, settings, sample_rate=model.front_end.sample_rate, window=model.front_end.window)


def _line(model: Model) -> str:
    return as_json(
        Detection(keyword=model.labels[2], score=0.97, start=11.62, end=12.3, time=datetime.now(UTC), model=model.name)
    )


def hear_many(model: Model, settings: DecisionSettings, blocks: list[AudioBlock], *, streams: int) -> None:
    """Several streams of the same sound take turns, as they do when each has a thread."""
    hop = round(settings.hop * model.front_end.sample_rate)
    parts = [(WindowStream(model.front_end, hop), _decider(model, settings)) for _ in range(streams)]
    for block in blocks:
        for stream, decider in parts:
            for window in stream.push(block):
                decider.step(model.posteriors(stream.columns()), window.end, window.level)


def processor_seconds(part: Callable[[], object]) -> float:
    before = time.process_time()
    part()
    return time.process_time() - before


def _latencies(model: Model, settings: DecisionSettings, hop: int, blocks: list[AudioBlock]) -> list[float]:
    """Seconds that each window took from the block that completes it to its decision."""
    decider = _decider(model, settings)
    stream = WindowStream(model.front_end, hop)
    taken = []
    for block in blocks:
        before = time.perf_counter()
        for window in stream.push(block):
            decider.step(model.posteriors(stream.columns()), window.end, window.level)
            now = time.perf_counter()
            taken.append(now - before)
            before = now
    return taken
