"""What listening costs on this machine, part by part."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np

from kws.decision import Decider, DecisionSettings
from kws.model import Model
from kws.pipeline import score
from kws.sources.resample import Resampler
from kws.values import AudioBlock, Float32Array
from kws.windows import WindowStream

_RATE_IN = 44100
_BLOCK = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What was measured: medians over the runs.

    Attributes:
        parts: processor seconds for a second of sound, by part.
        total: their sum; resampling counts, though a source at 16 kHz needs none.
        window_median, window_99: seconds from a window's sound to its decision, the median and the 99th percentile.
        memory: largest resident size of the process, in bytes.
    """

    parts: dict[str, float]
    total: float
    window_median: float
    window_99: float
    memory: int


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
    blocks_in = _blocks(_sound(round(seconds * _RATE_IN)), _RATE_IN)
    blocks = list(Resampler(_RATE_IN, rate).stream(blocks_in))
    spectrograms = [columns.copy() for columns in _spectrograms(model, hop, blocks)]
    scored = list(score(model, hop, blocks))

    def decide() -> None:
        decider = Decider(model.labels, settings, sample_rate=rate, window=model.front_end.window)
        for window in scored:
            decider.step(window.posteriors, window.end, window.level)

    parts = {
        "resampling": lambda: list(Resampler(_RATE_IN, rate).stream(blocks_in)),
        "front-end": lambda: list(_spectrograms(model, hop, blocks)),
        "network": lambda: [model.posteriors(spectrogram) for spectrogram in spectrograms],
        "decision": decide,
    }
    costs = {name: median(_processor_seconds(part) for _ in range(runs)) / seconds for name, part in parts.items()}
    latencies = _latencies(model, settings, hop, blocks)
    return Cost(
        parts=costs,
        total=sum(costs.values()),
        window_median=float(np.median(latencies)),
        window_99=float(np.percentile(latencies, 99)),
        memory=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )


def _sound(size: int) -> Float32Array:
    rng = np.random.default_rng(0)
    loudness = np.where(np.arange(size) // _RATE_IN % 4 == 3, 0.1, 0.003).astype(np.float32)
    return rng.standard_normal(size, np.float32) * loudness


def _blocks(sound: Float32Array, rate: int) -> list[AudioBlock]:
    size = round(_BLOCK * rate)
    return [AudioBlock(sound[start : start + size], start) for start in range(0, len(sound), size)]


def _spectrograms(model: Model, hop: int, blocks: list[AudioBlock]) -> Iterator[Float32Array]:
    stream = WindowStream(model.front_end, hop)
    for block in blocks:
        for _ in stream.push(block):
            yield stream.columns()


def _processor_seconds(part: Callable[[], object]) -> float:
    before = time.process_time()
    part()
    return time.process_time() - before


def _latencies(model: Model, settings: DecisionSettings, hop: int, blocks: list[AudioBlock]) -> list[float]:
    """Seconds that each window took from the block that completes it to its decision."""
    decider = Decider(model.labels, settings, sample_rate=model.front_end.sample_rate, window=model.front_end.window)
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
