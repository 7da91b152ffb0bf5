"""One open live page: turns what happens into messages for the browser."""

from __future__ import annotations

import base64
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from kws.audio.resample import Resampler
from kws.features.front_end import FrontEnd
from kws.pipeline.pipeline import Pipeline, Scored
from kws.types import AudioBlock

if TYPE_CHECKING:
    from kws.servers.monitor import Watched

#: Events that wait for a slow browser; of more, the oldest are dropped.
_MOST_WAITING = 200

#: Seconds between two looks at the state, and between two messages at most.
_STATE_SECONDS, _BATCH_SECONDS = 0.5, 0.1

#: Magnitudes from which the spectrogram is dark and light, as logarithms.
_DARK, _LIGHT = -6.0, 3.0

Message = dict[str, Any]


class Page:
    """The messages for one browser.

    Args:
        watched: returns the sources.
        state: returns the newest state.
        history: events that go first.
    """

    def __init__(
        self, watched: Callable[[], Sequence[Watched]], state: Callable[[], Message], history: Iterable[Message]
    ) -> None:
        self._watched = watched
        self._state = state
        self._waiting: deque[tuple[str, object]] = deque((("", event) for event in history), maxlen=_MOST_WAITING)
        self._news = threading.Event()
        self._ended = False
        self._pictures: dict[str, _Picture] = {}
        self._scores: dict[str, Scores] = {}

    def put(self, site: str, event: object) -> None:
        """Queue an event; never waits."""
        self._waiting.append((site, event))
        self._news.set()

    def end(self) -> None:
        self._ended = True
        self._news.set()

    def batches(self) -> Iterator[list[Message]]:
        """Yield all messages of a moment, again and again; an empty list at times when there are none."""
        shown, due = None, 0.0
        while not self._ended:
            batch = []
            if time.monotonic() >= due:
                due = time.monotonic() + _STATE_SECONDS
                if (state := self._state()) != shown:
                    batch.append(shown := state)
            for _ in range(len(self._waiting)):
                batch += self._messages(*self._waiting.popleft())
            yield batch
            time.sleep(_BATCH_SECONDS)
            self._news.wait(_STATE_SECONDS)
            self._news.clear()

    def _messages(self, site: str, event: object) -> Iterator[Message]:
        if isinstance(event, dict):
            yield event
            return
        one = next((one for one in self._watched() if one.site == site), None)
        if one is None:
            return
        if isinstance(event, Scored):
            scores = self._scores.get(site)
            if scores is None or scores.pipeline is not one.pipeline:
                scores = self._scores[site] = Scores(one.pipeline)
            yield {"t": "scores", "site": site, **scores.push(event)}
        elif isinstance(event, AudioBlock):
            picture = self._pictures.get(site)
            made_of = one.rate, one.pipeline.model.front_end
            if picture is None or picture.made_of != made_of or event.position != picture.next:
                picture = self._pictures[site] = _Picture(*made_of, event.position)
            yield from ({"t": "sound", "site": site, **columns} for columns in picture.push(event))


class Scores:
    """The scores of every keyword that is listened for: smoothed as the decisions smooth them."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline
        settings = pipeline.settings
        self._windows = {keyword: settings.windows(keyword) for keyword in settings.keywords}
        self._newest: deque[Any] = deque(maxlen=max(self._windows.values()))

    def push(self, scored: Scored) -> Message:
        if scored.fresh:
            self._newest.clear()
        for ago, posteriors in scored.amended:
            if ago <= len(self._newest):
                self._newest[-ago] = posteriors
        self._newest.append(scored.posteriors)
        rows, settings = np.array(self._newest), self.pipeline.settings
        labels = self.pipeline.model.labels
        scores = {}
        for keyword in settings.listened:
            average = float(rows[-self._windows[keyword] :, labels.index(keyword)].mean())
            scores[keyword] = round(settings.keywords[keyword].scale.score(average), 3)
        end = scored.end / self.pipeline.model.front_end.sample_rate
        return {"end": round(end, 3), "level": round(scored.level, 1), "scores": scores}


class _Picture:
    """The spectrogram of a stream, as the network's front-end has it, in 256 shades.

    Attributes:
        made_of: the rate of the sound and the front-end.
        next: the position at which the next block begins.
    """

    def __init__(self, rate: int, front_end: FrontEnd, position: int) -> None:
        self.made_of = rate, front_end
        self.next = position
        self._front_end = front_end
        self._resampler = Resampler(rate, front_end.sample_rate)
        self._rest = np.zeros(0, np.float32)  # that is too short for the next frame

    def push(self, block: AudioBlock) -> Iterator[Message]:
        self.next = block.end
        front_end = self._front_end
        for part in self._resampler.push(block):
            self._rest = np.concatenate([self._rest, part.samples])
            frames = front_end.spectrogram(self._rest)
            self._rest = self._rest[len(frames) * front_end.frame_step :]
            logs = frames if front_end.log_offset else np.log(frames + np.float32(np.exp(_DARK)))
            shades = np.clip((logs - _DARK) * (255 / (_LIGHT - _DARK)), 0, 255).astype(np.uint8)
            yield {
                "end": round(part.end / front_end.sample_rate, 3),
                "step": front_end.frame_step / front_end.sample_rate,
                "bins": front_end.bins,
                "frames": base64.b64encode(shades.tobytes()).decode(),
            }
