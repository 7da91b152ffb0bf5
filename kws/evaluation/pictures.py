"""The pictures of a report, as SVG: DET curves and scores over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from kws.decision import DecisionSettings
from kws.evaluation.curves import Curve
from kws.evaluation.markup import el
from kws.evaluation.measure import percent
from kws.evaluation.mistakes import Mistake, Timeline, timeline
from kws.types import Float64Array


@dataclass(frozen=True, slots=True)
class Frame:
    """The inside of a picture's axes, in pixels."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height


@dataclass(frozen=True, slots=True)
class LogAxis:
    """A logarithmic axis from ``low`` to ``high`` with room for zero before it."""

    low: float
    high: float
    _ZERO = 0.5  # decades that zero lies before ``low``

    def share(self, value: float) -> float:
        """The place of a value along the axis, from 0 to 1."""
        if value <= 0:
            return 0.0
        decades = math.log10(min(max(value, self.low), self.high) / self.low) + self._ZERO
        return decades / (math.log10(self.high / self.low) + self._ZERO)

    def ticks(self, *, fine: bool) -> list[float]:
        """Zero, the powers of ten, and if wanted their duplicate and fivefold."""
        first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
        every = [factor * 10.0**power for power in range(first, last + 1) for factor in ((1, 2, 5) if fine else (1,))]
        return [0.0, *(value for value in every if value <= self.high * (1 + 1e-9))]


@dataclass(frozen=True, slots=True)
class Mark:
    """A point on a DET curve that has a name."""

    false_rate: float
    miss_rate: float
    name: str
    style: str


class DetPlane:
    """Miss rate against false accepts per hour: scales shared by all pictures of a report."""

    def __init__(self, hours: float, said: int, highest: float) -> None:
        self._x = LogAxis(_power_below(1 / hours), max(10.0, 10 ** math.ceil(math.log10(max(highest, 1.0)))))
        self._y = LogAxis(_power_below(1 / said), 1.0)

    def large(
        self,
        curve: Curve,
        frontier: Sequence[tuple[float, float]],
        marks: Iterable[Mark],
        budget: float,
    ) -> Element:
        """The picture of all keywords."""
        frame = Frame(62, 14, 900, 330)
        points = [self.at(frame, x, y) for x, y in zip(curve.false_rate, curve.miss_rate, strict=True)]
        own = [self.at(frame, x, y) for x, y in frontier]
        x_budget, _ = self.at(frame, budget, 0)
        return el(
            "svg",
            self.grid(frame, "false accepts an hour", "words missed", fine=True),
            el("line", x1=x_budget, x2=x_budget, y1=frame.top, y2=frame.bottom, class_="budget"),
            el("text", f"budget {budget:g}", x=x_budget + 6, y=frame.bottom - 8, class_="note"),
            polyline(own, "own") if own else None,
            polyline(points, "curve"),
            [
                el(
                    "circle",
                    el("title", _point_title(curve, place)),
                    cx=x,
                    cy=y,
                    r=3,
                    class_="dot",
                )
                for place, (x, y) in enumerate(points)
            ],
            [self._mark(frame, mark, label=True) for mark in marks],
            viewBox="0 0 980 400",
            role="img",
            aria_label="Miss rate against false accepts per hour, all keywords",
        )

    def small(self, keyword: str, curve: Curve, whole: Curve, marks: Iterable[Mark]) -> Element:
        """The picture of one keyword among the others."""
        frame = Frame(34, 26, 196, 120)
        points = [self.at(frame, x, y) for x, y in zip(curve.false_rate, curve.miss_rate, strict=True)]
        others = [self.at(frame, x, y) for x, y in zip(whole.false_rate, whole.miss_rate, strict=True)]
        return el(
            "svg",
            self.grid(frame),
            polyline(others, "other"),
            polyline(points, "curve"),
            [self._mark(frame, mark, label=False) for mark in marks],
            el("text", keyword, x=frame.left, y=15, class_="name"),
            el("text", f"{curve.said} said", x=frame.right, y=15, class_="note end"),
            viewBox="0 0 240 170",
            role="img",
            aria_label=f"Miss rate against false accepts per hour, {keyword}",
        )

    def at(self, frame: Frame, false_rate: float, miss_rate: float) -> tuple[float, float]:
        """The place of a point in a picture."""
        return (
            frame.left + frame.width * self._x.share(float(false_rate)),
            frame.bottom - frame.height * self._y.share(float(miss_rate)),
        )

    def grid(self, frame: Frame, x_name: str = "", y_name: str = "", *, fine: bool = False) -> list[Element]:
        """The empty plane, its lines and numbers, and the names of its axes."""
        grid = [el("rect", x=frame.left, y=frame.top, width=frame.width, height=frame.height, class_="plane")]
        for value in self._x.ticks(fine=fine):
            x, _ = self.at(frame, value, 0)
            grid.append(el("line", x1=x, x2=x, y1=frame.top, y2=frame.bottom, class_=_grid_style(value)))
            grid.append(el("text", f"{value:g}", x=x, y=frame.bottom + 15, class_="tick middle"))
        for value in self._y.ticks(fine=fine):
            _, y = self.at(frame, 0, value)
            grid.append(el("line", x1=frame.left, x2=frame.right, y1=y, y2=y, class_=_grid_style(value)))
            grid.append(el("text", f"{100 * value:g} %", x=frame.left - 6, y=y + 3.5, class_="tick end"))
        if x_name:
            grid.append(el("text", x_name, x=frame.right, y=frame.bottom + 36, class_="axis end"))
        if y_name:
            grid.append(el("text", y_name, x=frame.left + 8, y=frame.bottom - 8, class_="axis"))
        return grid

    def _mark(self, frame: Frame, mark: Mark, *, label: bool) -> Element:
        x, y = self.at(frame, mark.false_rate, mark.miss_rate)
        size = 6 if label else 4
        shape = (
            el("circle", cx=x, cy=y, r=size - 0.5)
            if mark.style == "set"
            else el(
                "rect",
                x=x - size + 1,
                y=y - size + 1,
                width=2 * size - 2,
                height=2 * size - 2,
                transform=f"rotate(45 {x:.2f} {y:.2f})",
            )
        )
        title = el(
            "title", f"{mark.name}: {percent(mark.miss_rate)} missed, {mark.false_rate:.2f} false accepts an hour"
        )
        text = el("text", mark.name, x=x + 10, y=y - 8, class_="label") if label else None
        return el("g", title, shape, text, class_=f"mark {mark.style}")


def scores(mistake: Mistake, settings: DecisionSettings) -> Element:
    """A keyword's scores about a mistake: the words said, the threshold, the posterior and its average."""
    line = timeline(mistake, settings)
    chosen = settings.keywords[mistake.keyword]
    frame = Frame(30, 22, 440, 110)
    begin, end = mistake.time - 1.25, mistake.time + 1.0
    utterance = mistake.stream.utterance(mistake.time)
    origin = utterance.start if utterance else 0.0

    def x(time: float) -> float:
        return frame.left + frame.width * (min(max(time, begin), end) - begin) / (end - begin)

    def y(score: float) -> float:
        return frame.bottom - frame.height * score

    words = []
    for label in mistake.stream.labels:
        if label.end <= begin or label.start >= end:
            continue
        style = "word mine" if label is mistake.label or label.word == mistake.keyword else "word"
        left, right = x(label.start), x(label.end)
        words.append(el("rect", x=left, y=frame.top, width=right - left, height=frame.height, class_=style))
        words.append(el("text", label.word, x=(left + right) / 2, y=frame.top - 6, class_="said middle"))
    ticks = []
    for tick in range(math.ceil((begin - origin) * 2), math.floor((end - origin) * 2) + 1):
        place = x(tick / 2 + origin)
        ticks.append(el("line", x1=place, x2=place, y1=frame.bottom, y2=frame.bottom + 3, class_="axis-tick"))
        if tick % 2 == 0:
            ticks.append(el("text", f"{tick // 2} s", x=place, y=frame.bottom + 15, class_="tick middle"))
    levels = [
        el("line", x1=frame.left, x2=frame.right, y1=y(level), y2=y(level), class_=style)
        for level, style in ((chosen.threshold, "threshold"), (chosen.release, "release"))
    ]
    fired = None
    if mistake.verdict:
        fired = el(
            "g",
            el("line", x1=x(mistake.time), x2=x(mistake.time), y1=frame.top, y2=frame.bottom),
            el("circle", cx=x(mistake.time), cy=y(mistake.verdict.score), r=4),
            class_="fired",
        )
    return el(
        "svg",
        el("rect", x=frame.left, y=frame.top, width=frame.width, height=frame.height, class_="plane"),
        words,
        levels,
        el("text", f"{chosen.threshold:g}", x=frame.left - 4, y=y(chosen.threshold) + 3.5, class_="tick end"),
        el("text", "0", x=frame.left - 4, y=frame.bottom + 3.5, class_="tick end"),
        ticks,
        el("text", f"rival {line.rival}", x=frame.right, y=frame.top - 6, class_="end"),
        polyline(_points(line, line.rivals, x, y), "rival"),
        polyline(_points(line, line.posteriors, x, y), "raw"),
        polyline(_points(line, line.averages, x, y), "mean"),
        fired,
        viewBox="0 0 480 152",
        role="img",
        aria_label=f"Scores of {mistake.keyword} around {mistake.time:.2f} s",
    )


def _points(
    line: Timeline, values: Float64Array, x: Callable[[float], float], y: Callable[[float], float]
) -> list[tuple[float, float]]:
    return [(x(time), y(value)) for time, value in zip(line.times.tolist(), values.tolist(), strict=True)]


def polyline(points: Iterable[tuple[float, float]], style: str) -> Element:
    """A polyline that leaves out points on top of each other."""
    written = dict.fromkeys(f"{x:.1f},{y:.1f}" for x, y in points)
    return el("polyline", points=" ".join(written), class_=style)


def _point_title(curve: Curve, place: int) -> str:
    return (
        f"threshold {curve.thresholds[place]:g}: {percent(curve.miss_rate[place])} missed, "
        f"{curve.false_rate[place]:.2f} false accepts an hour"
    )


def _power_below(value: float) -> float:
    """The power of ten below a value, or at it."""
    return float(10.0 ** math.floor(math.log10(value) + 1e-9))


def _grid_style(value: float) -> str:
    """Powers of ten stand out."""
    return "grid" if value == 0 or math.log10(value) % 1 < 1e-9 or math.log10(value) % 1 > 1 - 1e-9 else "grid fine"
