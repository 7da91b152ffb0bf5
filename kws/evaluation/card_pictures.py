"""The pictures of a model's card, drawn with matplotlib: SVG with text that stays text."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from kws.errors import UsageError
from kws.evaluation.measure import percent

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Colours of a count: of clips heard rightly, and of those heard wrongly, faint for a small share of the row.
_RIGHT, _WRONG = (0.12, 0.44, 0.92), (0.81, 0.25, 0.21)
_FAINTEST = 0.12


def det(ways: Mapping[str, Sequence[tuple[float, float]]], *, hours: float, said: int) -> str:
    """Return a DET plot: miss rate against false accepts per hour, with a line for each way to decide.

    Args:
        ways: false accepts an hour and share missed at each point, by the name of the way.
        hours: of other sound; the axis is linear below the rate of one false accept.
        said: words that were said; the axis is linear below the share of one word.
    """
    figure = _figure(7.7, 3.9)
    axes = figure.add_subplot()
    for name, points in ways.items():
        axes.plot(*zip(*points, strict=True), label=name, gid=name, linewidth=2)
    axes.set_xscale("symlog", linthresh=_power_above(1 / hours), linscale=0.5)
    axes.set_yscale("symlog", linthresh=_power_above(1 / said), linscale=0.5)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_formatter(lambda rate, _: f"{rate:g}")
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:g} %")
    axes.set_xlabel("false accepts an hour of read speech")
    axes.set_ylabel("words missed")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    return _svg(figure)


def confusion(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Return a confusion matrix of clips: rows are the words spoken, columns the words detected.

    Labels that were never said have no row.
    """
    rows = [(label, row) for label, row in zip(labels, counts, strict=True) if sum(row)]
    figure = _figure(1.4 + 0.5 * len(labels), 1.0 + 0.3 * len(rows))
    axes = figure.add_subplot()
    cells = []
    for place, (said, row) in enumerate(rows):
        shades = []
        for column, count in enumerate(row):
            share, right = count / sum(row), labels[column] == said
            strength = (share if right else min(1.0, _FAINTEST + 4 * share)) if count else 0.0
            shades.append((*(_RIGHT if right else _WRONG), strength))
            if count:
                colour = "white" if strength > 0.5 else "black"
                gid = f"{said} as {labels[column]}: {count} clips, {percent(share)}"
                axes.text(column, place, str(count), ha="center", va="center", color=colour, fontsize=8, gid=gid)
        cells.append(shades)
    axes.imshow(cells, aspect="auto")
    axes.set_xticks(range(len(labels)), labels, rotation=35, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), [said for said, _ in rows])
    axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return _svg(figure)


def _power_above(value: float) -> float:
    """Return the power of ten at or above a value: ticks below it would overlap that of zero."""
    return float(10.0 ** math.ceil(math.log10(value)))


def _figure(width: float, height: float) -> Figure:
    """Return an empty figure of that size in inches.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(f"pictures need the extra 'report': pip install '.[report]' ({error})") from None
    return Figure(figsize=(width, height), layout="constrained")


def _svg(figure: Figure) -> str:
    """Return the figure as SVG that is the same every time."""
    import matplotlib as mpl  # noqa: PLC0415

    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "kws"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()
