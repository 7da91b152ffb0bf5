"""The pictures of a model's card: SVG files that carry their own style, for light pages and dark ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, tostring

from kws.evaluation.markup import el
from kws.evaluation.measure import percent
from kws.evaluation.pictures import DetPlane, Frame, polyline

_STYLE = """
svg { background: #ffffff; font: 12px system-ui, "Segoe UI", Roboto, Cantarell, "DejaVu Sans", sans-serif; }
text { fill: #5d6b7c; }
.middle { text-anchor: middle; } .end { text-anchor: end; } .label { fill: #17202c; }
.plane { fill: #f8fafb; } .grid { stroke: #dfe5eb; } .fine { stroke-opacity: 0.45; }
polyline { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
.way-0 { stroke: #cf3f36; } .way-1 { stroke: #1f6feb; } .way-2 { stroke: #0f8a78; } .way-3 { stroke: #7a4fd0; }
.right { fill: #1f6feb; } .wrong { fill: #cf3f36; } .on-dark { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  svg { background: #0e1319; } text { fill: #93a1b2; } .label { fill: #e5ebf2; }
  .plane { fill: #161d26; } .grid { stroke: #28323e; }
  .way-0 { stroke: #ff7b70; } .way-1 { stroke: #62a5ff; } .way-2 { stroke: #45c9b3; } .way-3 { stroke: #b193ff; }
}
"""
_WAYS = 4
_CELL = 46.0, 26.0
_FAINTEST = 0.12


def det(ways: Mapping[str, Sequence[tuple[float, float]]], *, hours: float, said: int) -> str:
    """Miss rate against false accepts per hour, a line for each way to decide.

    Args:
        ways: by name, false accepts an hour and share missed of each point; four at most.
        hours: of other sound that was heard.
        said: words that were said.

    Raises:
        ValueError: there are more ways than there are colours.
    """
    if len(ways) > _WAYS:
        raise ValueError(f"{len(ways)} lines, but {_WAYS} colours")
    highest = max(rate for points in ways.values() for rate, _ in points)
    plane, frame = DetPlane(hours, said, highest), Frame(62, 14, 690, 330)
    drawn = []
    for number, (name, points) in enumerate(ways.items()):
        top = frame.top + 18 * (number + 1)
        drawn += [
            polyline([plane.at(frame, rate, missed) for rate, missed in points], f"way-{number}"),
            el("line", x1=frame.right - 226, x2=frame.right - 204, y1=top - 4, y2=top - 4, class_=f"way-{number}"),
            el("text", name, x=frame.right - 196, y=top, class_="label"),
        ]
    grid = plane.grid(frame, "false accepts an hour of read speech", "words missed", fine=True)
    return _file(770, 392, "Miss rate against false accepts per hour", [grid, drawn])


def confusion(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """What was heard (columns) of what was said (rows), in clips; a cell is the darker the larger its share of the row.

    Labels that were never said have no row.
    """
    width, height = _CELL
    left, top = 92.0, 62.0
    cells: list[Element] = []
    rows = [(label, row) for label, row in zip(labels, counts, strict=True) if sum(row)]
    for column, label in enumerate(labels):
        x, y = left + (column + 0.5) * width, top - 8
        cells.append(el("text", label, x=x, y=y, transform=f"rotate(-35 {x:.1f} {y:.1f})", class_="label"))
    for place, (label, row) in enumerate(rows):
        y = top + place * height
        cells.append(el("text", label, x=left - 8, y=y + 0.65 * height, class_="end label"))
        for column, count in enumerate(row):
            share, right = count / sum(row), labels[column] == label
            x = left + column * width
            cell = {"x": x + 1, "y": y + 1, "width": width - 2, "height": height - 2, "rx": 3}
            cells.append(el("rect", **cell, class_="plane"))
            if not count:
                continue
            opacity = share if right else min(1.0, _FAINTEST + 4 * share)
            title = el("title", f"{label} heard as {labels[column]}: {count} clips, {percent(share)}")
            cells.append(el("rect", title, **cell, fill_opacity=opacity, class_="right" if right else "wrong"))
            ink = "middle on-dark" if opacity > 0.5 else "middle label"
            cells.append(el("text", str(count), x=x + width / 2, y=y + 0.65 * height, class_=ink))
    return _file(left + len(labels) * width + 40, top + len(rows) * height + 10, "Confusion matrix", cells)


def _file(width: float, height: float, title: str, content: list[Element] | list[list[Element]]) -> str:
    root = el(
        "svg",
        el("style", _STYLE),
        content,
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        role="img",
        aria_label=title,
    )
    root.set("xmlns", "http://www.w3.org/2000/svg")
    return tostring(root, encoding="unicode") + "\n"
