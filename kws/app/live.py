"""The live view of ``kws listen --live``: level, the best keywords and what was heard, in a terminal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from kws.publishers.formats import as_text
from kws.publishers.observer import Observer
from kws.servers.page import Scores
from kws.types import Detection

if TYPE_CHECKING:
    from kws.decision import NearMiss
    from kws.pipeline.pipeline import Pipeline, Scored

#: Keywords that are shown, and lines of what was heard.
_BEST, _LINES = 3, 10

#: Decibels at the left end of the bar of the level; the right end is full scale.
_LOWEST = -80.0


class LiveView(Observer):
    """Draws the view on standard error while it is open.

    Args:
        pipeline: returns the one that hears the sound.
        console: to draw on.
    """

    def __init__(self, pipeline: Callable[[], Pipeline], console: Console | None = None) -> None:
        self._pipeline = pipeline
        self._scores: Scores | None = None
        self._level = _LOWEST
        self._best: list[tuple[str, float]] = []
        self._heard: deque[Text] = deque(maxlen=_LINES)
        self._source = ""
        self._state = Text("opening", "yellow")
        console = console or Console(stderr=True)
        self._live = Live(get_renderable=self._draw, console=console, refresh_per_second=8, redirect_stdout=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def opened(self, site: str, name: str, rate: int) -> None:  # noqa: ARG002 - the interface
        self._source = name
        self.recovered(site)

    def recovered(self, site: str) -> None:  # noqa: ARG002
        self._state = Text(f"hears {self._source}", "green")

    def lost(self, site: str, reason: str) -> None:  # noqa: ARG002
        self._state = Text(reason, "bold red")

    def window(self, site: str, scored: Scored) -> None:  # noqa: ARG002
        if self._scores is None:
            self._scores = Scores(self._pipeline())
        message = self._scores.push(scored)
        self._level = message["level"]
        self._best = sorted(message["scores"].items(), key=lambda one: -one[1])[:_BEST]

    def detected(self, site: str, detection: Detection) -> None:  # noqa: ARG002
        self._heard.append(Text(as_text(detection), "green"))

    def near_miss(self, site: str, miss: NearMiss, sample_rate: int) -> None:  # noqa: ARG002
        text = (
            f"{miss.end / sample_rate:8.2f} s  {miss.keyword}  {miss.score:.0%} of {miss.threshold:.0%}: {miss.reason}"
        )
        self._heard.append(Text(text, "yellow"))

    def _draw(self) -> Group:
        table = Table.grid(padding=(0, 1))
        table.add_row("level", _bar((self._level - _LOWEST) / -_LOWEST), f"{self._level:.0f} dB")
        for keyword, score in self._best:
            table.add_row(Text(keyword), _bar(score), f"{score:.2f}")
        return Group(self._state, table, *self._heard)


def _bar(share: float) -> ProgressBar:
    return ProgressBar(total=1.0, completed=min(1.0, max(0.0, share)), width=40)
