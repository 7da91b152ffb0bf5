"""The parts joined: blocks of sound in, posteriors of every window and decisions out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from kws.audio.noise_floor import Floor, unhurried
from kws.audio.resample import Resampler
from kws.audio.source import Source
from kws.decision import NOTHING, Decider, Decision, DecisionSettings, Fired
from kws.features.windows import Window, WindowStream, check_hop
from kws.inference.model import Model
from kws.types import AudioBlock, Detection, Float32Array

#: Seconds after which a window is scored in silence too.
_PROBE_SECONDS = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """What the network says of one window.

    Attributes:
        posteriors: float32 ``(labels,)``.
        end: position of the sample after the window's last, at 16 kHz.
        level: of the newest hop of sound, in decibels re full scale.
        fresh: the first window of a stretch.
        seconds: that the network took; nothing is decided by it.
        passed: it was passed over in silence, and its posteriors are those of the last that was not.
    """

    posteriors: Float32Array
    end: int
    level: float
    fresh: bool
    seconds: float = 0.0
    passed: bool = False


def score(model: Model, hop: int, blocks: Iterable[AudioBlock]) -> Iterator[Scored]:
    """The posteriors of every window of a stream.

    Args:
        model: to ask.
        hop: samples between windows.
        blocks: at the model's rate.
    """
    windows = WindowStream(model.front_end, hop)
    for block in blocks:
        for window in windows.push(block):
            yield _ask(model, windows, window)


def score_sounds(model: Model, decider: Decider, blocks: Iterable[AudioBlock]) -> Iterator[Scored]:
    """The same, but windows in silence are passed over: neither their columns nor their posteriors are computed.

    A window is passed over where it holds nothing but the noise floor (:class:`kws.audio.noise_floor.Floor`) and the
    network's last posteriors were calm. When it no longer does, those before it are scored first that averages still
    need, and the decider is told of all: its state, and whatever it decides from there on, is to the bit what it would
    be had
    every window been scored. So nothing differs but what it would have said within the silence, of posteriors that
    rose while no hop did.

    Args:
        model: to ask.
        decider: is told of windows that were passed over. It is to take each window that was not, and no other, before
            the next is asked for.
        blocks: at the model's rate.
    """
    front_end, hop, history = model.front_end, decider.hop, decider.longest - 1
    windows = WindowStream(front_end, hop, history=history)
    floor = Floor.under(front_end.window, hop, front_end.sample_rate)
    most = round(_PROBE_SECONDS * front_end.sample_rate / hop)
    passed: list[float] = []  # the levels of windows that were passed over
    scored = None
    for block in blocks:
        for window in windows.push(block):
            if window.fresh:
                floor.reset()  # it goes by what comes now, not by the silence that is put before a source
                passed.clear()
            silent = not window.fresh and floor.step(window.level)
            if silent and scored is not None and decider.calm and len(passed) < most:
                passed.append(window.level)
                yield replace(scored, end=window.end, level=window.level, fresh=False, seconds=0.0, passed=True)
                continue
            if passed:
                needed = range(min(history, len(passed)), 0, -1)
                rows = [model.posteriors(windows.columns(ago)) for ago in needed]
                decider.skip(np.array(rows, np.float32).reshape(-1, len(model.labels)), window.end - hop, passed)
                passed.clear()
            scored = _ask(model, windows, window)
            yield scored


def _ask(model: Model, windows: WindowStream, newest: Window) -> Scored:
    begun = time.perf_counter()
    posteriors = model.posteriors(windows.columns())
    return Scored(posteriors, newest.end, newest.level, newest.fresh, time.perf_counter() - begun)


def hear(source: Source, model: Model) -> Iterator[AudioBlock]:
    """The sound of an open source at the model's rate, between two windows of silence.

    So a word in the first or the last moments is decided like any other, and a recording shorter than a window is
    heard at all. The silence before has negative positions: what the source delivers first is at 0.
    """
    rate = model.front_end.sample_rate
    silence = np.zeros(model.front_end.window, np.float32)
    yield AudioBlock(silence, -len(silence))
    end = 0
    for block in Resampler(source.rate, rate).stream(source.blocks()):
        end = block.end
        yield block
    yield AudioBlock(silence, end)


class Pipeline:
    """A model and the decisions that are made on what it says.

    Args:
        model: to ask.
        settings: of the decisions.
        site: the place that is heard, for detections to tell; None for none.
        skip_silence: whether windows in silence are passed over, see :func:`score_sounds`, and live sound is called for
            less often in it, see :func:`kws.audio.noise_floor.unhurried`.

    Raises:
        UsageError: the hop does not fit the model's front-end.

    Attributes:
        model: that hears.
        decider: that decides; its thresholds may be changed between windows.
    """

    def __init__(
        self, model: Model, settings: DecisionSettings, *, site: str | None = None, skip_silence: bool = False
    ) -> None:
        rate = model.front_end.sample_rate
        self.model = model
        self._site = site
        self._skip_silence = skip_silence
        self.decider = Decider(model.labels, settings, sample_rate=rate, window=model.front_end.window)
        self._silent = False
        check_hop(model.front_end, self.decider.hop)

    def run(self, source: Source) -> Iterator[tuple[Scored, Decision]]:
        """Hear an open source to its end: every window and what it led to."""
        blocks = hear(source, self.model)
        if self._skip_silence:
            if source.live:
                blocks = unhurried(blocks, self.model.front_end.sample_rate, lambda: self._silent)
            return self.decide(score_sounds(self.model, self.decider, blocks))
        return self.decide(score(self.model, self.decider.hop, blocks))

    def decide(self, windows: Iterable[Scored]) -> Iterator[tuple[Scored, Decision]]:
        """Decide on windows that have been scored.

        What is under way when they end is told with the last window, which then comes a second time.
        """
        scored = None
        for scored in windows:
            self._silent = scored.passed
            if scored.passed:
                yield scored, NOTHING
                continue
            # What was under way before a gap ended there; it belongs to no window after it.
            ended = self.decider.reset() if scored.fresh else Decision()
            decision = self.decider.step(scored.posteriors, scored.end, scored.level)
            yield scored, Decision(decision.fired, ended.near_misses + decision.near_misses)
        if scored is not None and (ended := self.decider.reset()):
            yield scored, ended

    def detection(self, fired: Fired) -> Detection:
        """What fired, as it is published: in seconds, with the time of day."""
        rate = self.model.front_end.sample_rate
        return Detection(
            keyword=fired.keyword,
            score=fired.score,
            start=max(0, fired.start) / rate,
            end=fired.end / rate,
            time=datetime.now(UTC),
            model=self.model.name,
            wake=fired.wake,
            site=self._site,
        )
