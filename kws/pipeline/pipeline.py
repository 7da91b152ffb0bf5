"""The parts joined: blocks of sound in, posteriors of every window and decisions out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import msgspec
import numpy as np
from msgspec.structs import replace

from kws.audio.resample import Resampler
from kws.audio.source import Source
from kws.decision import NOTHING, Decider, Decision, DecisionSettings, Fired
from kws.features.windows import Window, WindowStream, check_hop
from kws.inference.model import Model
from kws.pipeline.silence import PAUSE_SECONDS, Pacer, SilenceSkipper
from kws.types import AudioBlock, Detection, Float32Array

#: Seconds of levels that are kept: longer than any word and the decision on it.
_LEVEL_SECONDS = 3.0


class Scored(msgspec.Struct, frozen=True, eq=False):
    """The network's output for one window.

    Attributes:
        posteriors: float32 ``(labels,)``.
        end: position of the sample after the window's last, at the model's rate.
        level: of the newest hop of sound, in decibels re full scale.
        fresh: True for the first window of a segment: sound is missing before it.
        silent: True if the window held nothing but the noise floor.
        seconds: the network's time for it; no decision depends on it.
        skipped: True if the network did not see it; its posteriors are those of the last window that it saw.
        amended: windows before it that were skipped and are scored after all: how many windows before it each was, and
            its posteriors.
    """

    posteriors: Float32Array
    end: int
    level: float
    fresh: bool
    silent: bool = False
    seconds: float = 0.0
    skipped: bool = False
    amended: tuple[tuple[int, Float32Array], ...] = ()


class Step(msgspec.Struct, frozen=True, eq=False):
    """One window and what it led to.

    Attributes:
        scored: the window; None for the end of the stream.
        decision: what fired, and what came near. At the end of the stream, the near misses that were under way.
    """

    scored: Scored | None
    decision: Decision


class Padding:
    """Brings a stream to the model's rate and puts a window of silence before and after it.

    So a word in the first or the last moments is decided like any other, and a recording shorter than a window is
    scored at all. The silence before has negative positions: the first sample of the source is at 0.

    Args:
        rate: of the stream, in hertz.
        model: sets the rate and the window.
    """

    def __init__(self, rate: int, model: Model) -> None:
        self._resampler = Resampler(rate, model.front_end.sample_rate)
        self._silence = np.zeros(model.front_end.window, np.float32)
        self._end: int | None = None  # None before the first silence

    def push(self, block: AudioBlock) -> Iterator[AudioBlock]:
        """Take the next block; yield what is ready."""
        yield from self._emit(self._resampler.push(block))

    def finish(self) -> Iterator[AudioBlock]:
        """End the stream; yield the rest."""
        yield from self._emit(self._resampler.flush())
        yield AudioBlock(self._silence, self._end or 0)

    def _emit(self, blocks: Iterable[AudioBlock]) -> Iterator[AudioBlock]:
        if self._end is None:
            self._end = 0
            yield AudioBlock(self._silence, -len(self._silence))
        for block in blocks:
            self._end = block.end
            yield block


def hear(source: Source, model: Model) -> Iterator[AudioBlock]:
    """Yield the sound of an open source at the model's rate, padded as by :class:`Padding`."""
    padding = Padding(source.rate, model)
    for block in source.blocks():
        yield from padding.push(block)
    yield from padding.finish()


def score(model: Model, hop: int, blocks: Iterable[AudioBlock]) -> Iterator[Scored]:
    """Yield the posteriors of every window of a stream.

    Args:
        model: to ask.
        hop: samples between windows.
        blocks: at the model's rate.
    """
    windows = WindowStream(model.front_end, hop)
    silence = SilenceSkipper(model.front_end, hop, enabled=False)
    for block in blocks:
        for window in windows.push(block):
            silence.step(window)
            yield _ask(model, windows, window, silent=silence.silent)


def _ask(model: Model, windows: WindowStream, newest: Window, *, silent: bool) -> Scored:
    begun = time.perf_counter()
    posteriors = model.posteriors(windows.spectrogram())
    seconds = time.perf_counter() - begun
    return Scored(posteriors, newest.end, newest.level, newest.fresh, silent, seconds)


class Pipeline:
    """A model and the decisions that are made on its output.

    The driver calls :meth:`open` once, :meth:`push` with every block of a stream, and :meth:`finish` at its end.

    Args:
        model: to ask.
        settings: of the decisions.
        site: the place that is heard, for detections; None for none.
        skip_silence: whether the network is spared windows that hold nothing but the noise floor. Every decision is
            then the same, to the bit, but for posteriors that would have risen while no level did.
        skip_calm: whether the network is spared up to :attr:`kws.decision.Decider.delay` of the windows between two
            in which no keyword is near. Those that a decision depends on are scored after all, before it is made.

    Raises:
        UsageError: the hop does not fit the model's front-end.

    Attributes:
        model: the model.
    """

    def __init__(
        self,
        model: Model,
        settings: DecisionSettings,
        *,
        site: str | None = None,
        skip_silence: bool = False,
        skip_calm: bool = False,
    ) -> None:
        front_end = model.front_end
        self.model = model
        self._site = site
        self._skip_silence = skip_silence
        self._skip_calm = skip_calm
        self._decider = Decider(
            model.labels, settings, sample_rate=front_end.sample_rate, window=front_end.window, score=self._score_spared
        )
        check_hop(front_end, self._decider.hop)
        self.open(front_end.sample_rate)

    @property
    def settings(self) -> DecisionSettings:
        """The settings in force."""
        return self._decider.settings

    @property
    def pause_seconds(self) -> float:
        """Seconds that the driver may wait before it takes more live sound."""
        return self._pacer.pause_seconds

    def set_threshold(self, keyword: str, threshold: float) -> None:
        """Change a keyword's threshold, between two steps.

        Raises:
            UsageError: there is no such keyword, or the threshold is out of its range.
        """
        self._decider.set_threshold(keyword, threshold)

    def set_keyword(self, keyword: str, *, on: bool) -> None:
        """Switch a keyword on or off, between two steps.

        Raises:
            UsageError: there is no such keyword.
        """
        self._decider.set_keyword(keyword, on=on)

    def opener(self, end: int) -> str | None:
        """Return the wake word that holds the gate open at a position; None if it is closed, or there is none."""
        return self._decider.opener(end)

    def open(self, rate: int) -> None:
        """Begin a stream; whatever was under way in the one before is forgotten.

        Args:
            rate: of its blocks, in hertz.
        """
        front_end, decider = self.model.front_end, self._decider
        decider.reset()
        self._rate = rate
        self._padding = Padding(rate, self.model)
        self._windows = WindowStream(front_end, decider.hop, history=decider.history)
        self._silence = SilenceSkipper(front_end, decider.hop, enabled=self._skip_silence)
        self._pacer = Pacer()
        self._newest: Scored | None = None  # that the network saw
        self._amended: list[tuple[int, Float32Array]] = []
        self._levels: deque[tuple[int, float]] = deque(
            maxlen=round(_LEVEL_SECONDS * front_end.sample_rate / decider.hop)
        )

    def push(self, block: AudioBlock) -> Iterator[Step]:
        """Take the next block; yield the windows that it completes, each with its decision.

        Raises:
            ValueError: the block begins before the end of the one before.
        """
        self._pacer.arrive(len(block.samples) / self._rate)
        yield from self._follow(self._padding.push(block))
        self._pacer.leave(self._needed_seconds())

    def finish(self) -> Iterator[Step]:
        """End the stream; yield its last windows, then the near misses that were under way, if there were any."""
        yield from self._follow(self._padding.finish())
        if ended := self._decider.reset():
            yield Step(None, ended)

    def run(self, source: Source) -> Iterator[Step]:
        """Hear an open source to its end."""
        self.open(source.rate)
        for block in source.blocks():
            yield from self.push(block)
            if source.live and self.pause_seconds:
                time.sleep(self.pause_seconds)
        yield from self.finish()

    def detection(self, fired: Fired) -> Detection:
        """Return what is published for a keyword that fired: in seconds, with the time of day."""
        rate = self.model.front_end.sample_rate
        levels = [level for end, level in self._levels if fired.start < end <= fired.end]
        return Detection(
            keyword=fired.keyword,
            score=fired.score,
            start=max(0, fired.start) / rate,
            end=fired.end / rate,
            time=datetime.now(UTC),
            model=self.model.name,
            wake=fired.wake,
            site=self._site,
            level=max(levels, default=-120.0),
        )

    def detections(self, steps: Iterable[Step]) -> Iterator[Detection]:
        """Yield what is published for each keyword that fires in these steps."""
        return (self.detection(fired) for step in steps for fired in step.decision.fired)

    def _follow(self, blocks: Iterable[AudioBlock]) -> Iterator[Step]:
        for block in blocks:
            for window in self._windows.push(block):
                yield self._step(window)

    def _step(self, window: Window) -> Step:
        decider, silence = self._decider, self._silence
        self._levels.append((window.end, window.level))
        calm = decider.calm
        spared = window.end < self._next(delayed=self._skip_calm and calm and not silence.skipped)
        skipped = silence.step(window, calm=calm)
        if self._newest is not None and not window.fresh and (skipped or spared):
            decider.step(None, window.end, window.level, silent=silence.silent)
            return Step(self._unscored(self._newest, window), NOTHING)
        # What was under way before a gap ended there; it belongs to no window after it.
        ended = decider.reset() if window.fresh else NOTHING
        self._newest = scored = _ask(self.model, self._windows, window, silent=silence.silent)
        decision = decider.step(scored.posteriors, scored.end, scored.level, silent=scored.silent)
        if self._amended:
            scored = replace(scored, amended=tuple(self._amended))
            self._amended.clear()
        return Step(scored, Decision(decision.fired, ended.near_misses + decision.near_misses))

    def _unscored(self, newest: Scored, window: Window) -> Scored:
        """Return a skipped window: its own level and time, with the posteriors of the newest scored window."""
        silent = self._silence.silent
        return Scored(newest.posteriors, window.end, window.level, fresh=False, silent=silent, skipped=True)

    def _next(self, *, delayed: bool) -> int:
        """Return the end of the window after the newest scored one, or of the last that it can be delayed to."""
        between = self._decider.delay if delayed else 0
        return self._newest.end + (1 + between) * self._decider.hop if self._newest else 0

    def _needed_seconds(self) -> float:
        """Return the seconds of sound until a keyword can fire."""
        if self._silence.skipped:
            return PAUSE_SECONDS
        needed = self._next(delayed=not self._decider.urgent)
        return (needed - self._windows.end) / self.model.front_end.sample_rate

    def _score_spared(self, ago: int) -> Float32Array:
        """Have the network see a window that it was spared."""
        posteriors = self.model.posteriors(self._windows.spectrogram(ago))
        self._amended.append((ago, posteriors))
        return posteriors
