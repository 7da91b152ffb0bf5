"""The interactive plots of a report, made with plotly: DET curves and scores over time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kws.decision import DecisionSettings
from kws.evaluation.choose import frontier
from kws.evaluation.curves import Curve, compared, together
from kws.evaluation.measure import percent
from kws.evaluation.mistakes import AFTER, BEFORE, Mistake, timeline
from kws.evaluation.stream import Evaluation

_BLUE, _TEAL, _RED, _GREY = "#3b82f6", "#14a08c", "#e0524a", "#8593a3"
_GRID = "rgba(133, 147, 163, 0.25)"
#: Panels of single keywords in a row.
_PANELS = 4


class LogAxis:
    """A logarithmic axis on which zero has a place, half a decade below the lowest value.

    Args:
        low: the lowest value above zero; rounded down to a power of ten.
        high: the highest; rounded up to a power of ten.
    """

    def __init__(self, low: float, high: float) -> None:
        self._first, self._last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
        self._zero = 10 ** (self._first - 0.5)

    def place(self, values: Iterable[float]) -> list[float]:
        """Return the values with each zero moved to its place on the axis."""
        return [max(float(value), self._zero) for value in values]

    def layout(self, *, share: bool) -> dict[str, Any]:
        """Return the axis as plotly takes it; ``share`` writes its ticks in per cent."""
        ticks = [0.0, *(10.0**power for power in range(self._first, self._last + 1))]
        return {
            "type": "log",
            "range": [self._first - 0.55, self._last + 0.05],
            "tickvals": self.place(ticks),
            "ticktext": [f"{100 * tick:g} %" if share else f"{tick:g}" for tick in ticks],
            "gridcolor": _GRID,
            "zeroline": False,
        }


def det(evaluation: Evaluation) -> go.Figure:
    """Plot the miss rate against the false accepts per hour, for all keywords together."""
    curves = compared(evaluation.curves)
    whole, (x, y) = together(list(curves.values())), _axes(curves)
    now, then = evaluation.as_set.of(curves), evaluation.recommended.of(curves)
    best = frontier(curves)
    figure = go.Figure(layout=_layout(height=440))
    figure.add_scatter(
        x=x.place(rate for rate, _ in best), y=y.place(share for _, share in best),
        name="a threshold for each keyword, as expected", mode="lines", line={"color": _TEAL, "dash": "dash"},
        hoverinfo="skip",
    )  # fmt: skip
    figure.add_scatter(
        x=x.place(whole.false_rate), y=y.place(whole.miss_rate), name="one threshold for all keywords",
        mode="lines", line={"color": _BLUE}, text=_hover(whole), hoverinfo="text",
    )  # fmt: skip
    points = (
        ("as set", now.false_rate, now.miss_rate or 0.0, "circle-open", _RED),
        ("recommended, as expected", evaluation.choice.false_rate, then.miss_rate or 0.0, "diamond", _TEAL),
    )
    for name, rate, missed, symbol, colour in points:
        figure.add_scatter(
            x=x.place([rate]), y=y.place([missed]), name=name, mode="markers", cliponaxis=False,
            marker={"symbol": symbol, "size": 12, "color": colour, "line": {"width": 2.5}},
            text=[f"{name}: {percent(missed)} missed, {rate:.2f} false accepts an hour"], hoverinfo="text",
        )  # fmt: skip
    budget = evaluation.choice.budget
    figure.add_vline(
        x=budget,
        line={"color": _GREY, "dash": "dot"},
        annotation={"text": f"budget {budget:g}", "x": math.log10(budget)},
    )
    figure.update_xaxes(**x.layout(share=False), title="false accepts an hour")
    figure.update_yaxes(**y.layout(share=True), title="words missed")
    figure.update_layout(showlegend=True, legend={"orientation": "h", "y": -0.2})
    return figure


def keyword_dets(evaluation: Evaluation) -> go.Figure:
    """Plot the same for each keyword in a panel of its own, with the curve of all keywords in grey."""
    curves = compared(evaluation.curves)
    whole, (x, y) = together(list(curves.values())), _axes(curves)
    rows = -(-len(curves) // _PANELS)
    titles = [f"<b>{keyword}</b>, {curve.said} said" for keyword, curve in curves.items()]
    figure = make_subplots(
        rows=rows, cols=_PANELS, subplot_titles=titles, horizontal_spacing=0.055, vertical_spacing=0.3 / rows
    )
    for place, (keyword, curve) in enumerate(curves.items()):
        where = {"row": place // _PANELS + 1, "col": place % _PANELS + 1}
        figure.add_scatter(
            x=x.place(whole.false_rate), y=y.place(whole.miss_rate), mode="lines", line={"color": _GRID},
            hoverinfo="skip", **where,
        )  # fmt: skip
        figure.add_scatter(
            x=x.place(curve.false_rate), y=y.place(curve.miss_rate), mode="lines", line={"color": _BLUE},
            text=_hover(curve), hoverinfo="text", **where,
        )  # fmt: skip
        for point, symbol, colour in (
            (evaluation.as_set, "circle-open", _RED),
            (evaluation.recommended, "diamond", _TEAL),
        ):
            figures = point.keywords[keyword]
            figure.add_scatter(
                x=x.place([figures.false_rate]), y=y.place([figures.miss_rate or 0.0]),
                mode="markers", cliponaxis=False,
                marker={"symbol": symbol, "size": 9, "color": colour, "line": {"width": 2}}, hoverinfo="skip", **where,
            )  # fmt: skip
    figure.update_layout(_layout(height=40 + 190 * rows))
    figure.update_xaxes(**x.layout(share=False))
    figure.update_yaxes(**y.layout(share=True))
    return figure


def scores(mistake: Mistake, settings: DecisionSettings) -> go.Figure:
    """Plot a keyword's scores around a mistake, with the labelled words, the threshold and the decision."""
    line, chosen = timeline(mistake, settings), settings.keywords[mistake.keyword]
    utterance = mistake.stream.utterance(mistake.time)
    origin = utterance.start if utterance else 0.0
    times = (line.times - origin).tolist()
    begin, end = mistake.time - BEFORE - origin, mistake.time + AFTER - origin
    figure = go.Figure(layout=_layout(height=190))
    for name, values, style in (
        (f"rival: {line.rival}", line.rivals, {"color": _GREY, "width": 1.2}),
        ("posterior", line.posteriors, {"color": _BLUE, "width": 1, "dash": "dot"}),
        ("average", line.averages, {"color": _BLUE, "width": 2.4}),
    ):
        figure.add_scatter(x=times, y=values.tolist(), name=name, mode="lines", line=style)
    for level, dash in ((chosen.threshold, "dash"), (chosen.release, "dot")):
        figure.add_hline(y=level, line={"color": _GREY, "width": 1, "dash": dash})
    for label in mistake.stream.labels:
        start, stop = max(label.start - origin, begin), min(label.end - origin, end)
        if start < stop:
            mine = label is mistake.label or label.word == mistake.keyword
            annotation = {"text": label.word, "yanchor": "bottom", "y": 1.0, "yref": "paper"}
            figure.add_vrect(start, stop, fillcolor=_BLUE if mine else _GREY, opacity=0.16, annotation=annotation)
    if mistake.verdict:
        marker = {"color": _RED, "size": 9}
        figure.add_scatter(
            x=[mistake.time - origin],
            y=[mistake.verdict.score],
            name="decision",
            mode="markers",
            cliponaxis=False,
            marker=marker,
        )
    figure.update_xaxes(range=[begin, end], ticksuffix=" s", gridcolor=_GRID, zeroline=False)
    tickvals = [0, chosen.threshold, 1]
    figure.update_yaxes(
        range=[0, 1.03], tickvals=tickvals, ticktext=["0", f"{chosen.threshold:g}", "1"], zeroline=False
    )
    figure.update_layout(hovermode="x unified", margin={"l": 36, "r": 12, "t": 24, "b": 24})
    return figure


def _axes(curves: Mapping[str, Curve]) -> tuple[LogAxis, LogAxis]:
    """Return the axes of false accepts and misses that the plots of a report share."""
    whole = together(list(curves.values()))
    most_said = max(curve.said for curve in curves.values())
    return LogAxis(1 / whole.hours, max(10.0, float(whole.false_rate.max()))), LogAxis(1 / most_said, 1.0)


def _hover(curve: Curve) -> Sequence[str]:
    return [
        f"threshold {threshold:g}: {percent(missed)} missed, {rate:.2f} false accepts an hour"
        for threshold, missed, rate in zip(curve.thresholds, curve.miss_rate, curve.false_rate, strict=True)
    ]


def _layout(*, height: int) -> dict[str, Any]:
    """Return a layout without a background, so that it suits a light page and a dark one."""
    return {
        "template": {},
        "height": height,
        "showlegend": False,
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": _GREY, "family": "system-ui, sans-serif", "size": 12},
        "margin": {"l": 56, "r": 24, "t": 32, "b": 44},
    }
