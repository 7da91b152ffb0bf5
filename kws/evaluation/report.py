"""The report of an evaluation of streams: one page of HTML that needs nothing else, neither network nor script."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element

from kws import __version__
from kws.evaluation.choose import frontier
from kws.evaluation.curves import compared, together
from kws.evaluation.markup import el, render
from kws.evaluation.measure import Figures, percent, seconds
from kws.evaluation.pictures import DetPlane, Mark
from kws.evaluation.report_mistakes import matrix, mistakes
from kws.evaluation.report_parts import key, remark, section
from kws.evaluation.report_style import STYLE
from kws.evaluation.stream import Evaluation
from kws.evaluation.stream_text import choice_remarks, false_accepts, remarks, spread, summary
from kws.evaluation.thresholds import as_toml

_LEGEND_STROKES = {
    "one threshold for all keywords": "curve",
    "a threshold for each, as expected": "own",
}


def page(evaluation: Evaluation, about: Mapping[str, str]) -> str:
    """The whole page.

    Args:
        evaluation: to show.
        about: names of ``model``, ``version``, ``network`` and ``interpreter``.
    """
    body = el(
        "main",
        _header(evaluation, about),
        _tiles(evaluation.as_set.total),
        _keywords(evaluation),
        _curves(evaluation),
        _thresholds(evaluation),
        matrix(evaluation),
        mistakes(evaluation),
        _footer(evaluation),
    )
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", f"{about['model']}: {_title(evaluation)}"),
        el("style", STYLE),
    )
    return render(el("html", head, el("body", body), lang="en"))


def _title(evaluation: Evaluation) -> str:
    total = evaluation.as_set.total
    words = f"{total.said:,} words in " if total.said else ""
    return (
        f"{words}{total.hours:.1f} hours of sound"
        if total.hours >= 1
        else f"{words}{60 * total.hours:.0f} minutes of sound"
    )


def _header(evaluation: Evaluation, about: Mapping[str, str]) -> Element:
    streams = [judged.stream for judged in evaluation.as_set.streams]
    model = f"{about['model']} {about['version']}, {about['network']}, by {about['interpreter']}"
    return el(
        "header",
        el("h1", f"{about['model']}: {_title(evaluation)}"),
        el("p", f"{model}, a window every {1000 * evaluation.as_set.settings.hop:g} ms", class_="soft"),
        [el("p", line, class_="soft", style="margin: 0") for line in summary(streams)],
    )


def _tiles(total: Figures) -> Element:
    miss_low, miss_high = total.miss_range or (0.0, 0.0)
    median, late = total.latency(50), total.latency(95)
    tiles = [
        _tile(
            "words missed",
            "none said" if total.miss_rate is None else f"{100 * total.miss_rate:.1f}",
            "" if total.miss_rate is None else "%",
            ""
            if total.miss_rate is None
            else f"{total.misses} of {total.said}; {100 * miss_low:.1f} to {100 * miss_high:.1f}\u00a0%",
        ),
        _tile(
            "false accepts", f"{total.false_rate:.2f}", "an hour", f"{total.false} heard; {spread(total.false_range)}"
        ),
        _tile("wrong words", str(total.wrong), "", "taken for another keyword"),
        _tile("duplicates", str(total.duplicates), "", "one word, detected again"),
        _tile(
            "latency",
            "" if median is None else f"{median:z.2f}",
            "" if median is None else "s",
            "" if late is None else f"median; 95\u00a0% in {late:.2f}\u00a0s",
        ),
    ]
    return el("div", tiles, class_="tiles")


def _tile(name: str, value: str, unit: str, under: str) -> Element:
    return el(
        "div",
        el("div", name, class_="name"),
        el("div", value, el("small", unit) if unit else None, class_="value"),
        el("div", under, class_="range"),
        class_="tile",
    )


def _keywords(evaluation: Evaluation) -> Element:
    point = evaluation.as_set
    worst_false = max((figures.false_rate for figures in point.keywords.values()), default=0.0) or 1.0
    worst_miss = max((figures.miss_rate or 0.0 for figures in point.keywords.values()), default=0.0) or 1.0
    rows = [
        _row(
            keyword,
            point.settings.keywords[keyword].threshold,
            figures,
            (figures.miss_rate or 0.0) / worst_miss,
            figures.false_rate / worst_false,
        )
        for keyword, figures in point.keywords.items()
    ]
    heads = (
        "",
        "threshold",
        "said",
        "missed",
        "",
        "",
        "false",
        "an hour",
        "",
        "wrong",
        "duplicates",
        "latency",
        "95 %",
    )
    table = el(
        "table",
        el("thead", el("tr", [el("th", head) for head in heads])),
        el("tbody", rows),
        el("tfoot", _row("in all", None, point.total, None, None)),
    )
    return section(
        "Keywords, as they are set",
        "Ranges are 95 % confidence intervals: another recording of the same kind may well come out anywhere in them.",
        el("div", table, class_="card scroll"),
        [remark(line) for line in remarks(evaluation)],
    )


def _row(
    keyword: str, threshold: float | None, figures: Figures, miss_bar: float | None, false_bar: float | None
) -> Element:
    return el(
        "tr",
        el("td", keyword),
        el("td", "" if threshold is None else f"{threshold:g}"),
        _count(figures.said),
        _count(figures.misses),
        el("td", "" if figures.miss_rate is None else percent(figures.miss_rate)),
        _bar(miss_bar, "bar"),
        _count(figures.false),
        el("td", f"{figures.false_rate:.2f}"),
        _bar(false_bar, "bar false"),
        _count(figures.wrong),
        _count(figures.duplicates),
        el("td", seconds(figures.latency(50))),
        el("td", seconds(figures.latency(95))),
    )


def _bar(share: float | None, style: str) -> Element:
    return el("td", el("div", style=f"width: {100 * share:.1f}%") if share else None, class_=style)


def _count(number: int) -> Element:
    return el("td", str(number)) if number else el("td", "0", class_="zero")


def _curves(evaluation: Evaluation) -> Element | None:
    curves = compared(evaluation.curves)
    whole = together(list(curves.values()))
    if not whole.said:
        return None
    plane = DetPlane(whole.hours, max(curve.said for curve in curves.values()), float(whole.false_rate.max()))
    now, then = evaluation.as_set.of(curves), evaluation.recommended.of(curves)
    large = plane.large(
        whole,
        frontier(curves),
        [
            _mark(now, "as set", "set"),
            Mark(evaluation.choice.false_rate, then.miss_rate or 0.0, "recommended, as expected", "best"),
        ],
        evaluation.choice.budget,
    )
    small = [
        el(
            "div",
            plane.small(
                keyword,
                curve,
                whole,
                [
                    _mark(evaluation.as_set.keywords[keyword], "as set", "set"),
                    _mark(evaluation.recommended.keywords[keyword], "recommended", "best"),
                ],
            ),
            class_="card",
        )
        for keyword, curve in curves.items()
    ]
    legend = [key(name, el("polyline", points="1,6 25,6", class_=style)) for name, style in _LEGEND_STROKES.items()]
    legend.append(key("as set", el("g", el("circle", cx=13, cy=6, r=5), class_="mark set")))
    diamond = el("rect", x=9, y=2, width=8, height=8, transform="rotate(45 13 6)")
    legend.append(key("recommended", el("g", diamond, class_="mark best")))
    return section(
        "What each threshold would cost",
        "Lower thresholds miss fewer words and accept more that nobody said: to the left and down is better. Both axes "
        "are logarithmic, with room for none. Point at the curve for its thresholds.",
        el("div", el("div", large, class_="wide"), el("div", legend, class_="legend"), class_="card"),
        el("div", small, class_="panels"),
    )


def _mark(figures: Figures, name: str, style: str) -> Mark:
    return Mark(figures.false_rate, figures.miss_rate or 0.0, name, style)


def _thresholds(evaluation: Evaluation) -> Element | None:
    choice, point = evaluation.choice, evaluation.recommended
    if not choice.picks:
        return None
    rows = []
    for keyword, pick in choice.picks.items():
        before, after = evaluation.as_set.keywords[keyword], point.keywords[keyword]
        rows.append(
            el(
                "tr",
                el("td", keyword),
                el("td", f"{evaluation.as_set.settings.keywords[keyword].threshold:g}"),
                el("td", el("strong", f"{pick.threshold:g}")),
                el("td", f"{before.misses} → {after.misses}"),
                el("td", f"{before.wrong} → {after.wrong}"),
                el("td", f"{before.false} → {after.false}"),
                el("td", f"{pick.false_rate:.2f}"),
            )
        )
    before, after = evaluation.as_set.of(choice.picks), point.of(choice.picks)
    foot = ["in all", "", "", f"{before.misses} → {after.misses}", f"{before.wrong} → {after.wrong}"]
    foot += [f"{before.false} → {after.false}", f"{choice.false_rate:.2f}"]
    heads = ("", "as set", "recommended", "missed", "wrong", "false", "expected an hour")
    table = el(
        "table",
        el("thead", el("tr", [el("th", head) for head in heads])),
        el("tbody", rows),
        el("tfoot", el("tr", [el("td", text) for text in foot])),
    )
    return section(
        f"Thresholds for {false_accepts(choice.budget)} an hour",
        "Chosen for the fewest misses and wrong words within the budget of all keywords together. What is expected an "
        "hour is estimated from the tail of the scores, because counts that a threshold was chosen on flatter it.",
        el("div", table, class_="card scroll"),
        [remark(line) for line in choice_remarks(evaluation)],
        el(
            "div",
            [el("pre", f"{table}\n") for table in as_toml(choice).strip().split("\n\n")],
            class_="card toml",
            style="margin-top: 12px",
        ),
    )


def _footer(evaluation: Evaluation) -> Element:
    tolerance = min(evaluation.tolerance.values())
    return el(
        "footer",
        el(
            "p",
            f"A detection counts as a hit of its word from the word's start until {tolerance:g} s after its end, once; "
            "as a wrong word where another keyword was said, and as a false accept where none was. Excused is what a "
            "transcript has. The curves leave a gate open and move each release in proportion to its threshold.",
        ),
        el("p", f"kws {__version__}"),
    )
