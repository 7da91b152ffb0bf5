"""The sections of a report that show what went wrong: who was taken for whom, and the scores at the time."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element

from kws.evaluation.markup import el
from kws.evaluation.mistakes import MISSED, Mistake, confusion, find_mistakes
from kws.evaluation.pictures import scores
from kws.evaluation.report_parts import key, section
from kws.evaluation.stream import Evaluation

#: Pictures of what went wrong, at most.
MOST_MISTAKES = 60


def matrix(evaluation: Evaluation) -> Element:
    counts = confusion(evaluation.as_set)
    keywords = list(evaluation.as_set.keywords)
    columns = [*keywords, MISSED]
    rows = [(said, row) for said, row in counts.items() if said in keywords or any(row.values())]
    head = el(
        "tr",
        el("th", "said ↓ detected →", class_="corner"),
        [el("th", name, class_="apart" if name == MISSED else "") for name in columns],
    )
    body = [
        el(
            "tr",
            el("th", said, class_="" if said in keywords else "apart"),
            [_cell(said, name, row) for name in columns],
        )
        for said, row in rows
    ]
    return section(
        "Who is taken for whom",
        "Each word said is in its own column or under missed; whatever else was detected on it stands beside.",
        el("div", el("table", el("thead", head), el("tbody", body), class_="matrix"), class_="card scroll"),
    )


def _cell(said: str, detected: str, row: Mapping[str, int]) -> Element:
    count = row[detected]
    if not count:
        return el("td", "0", class_="zero")
    whole = row.get(said, 0) + row[MISSED] or max(row.values())
    colour = "--heat" if said == detected else "--heat-bad"
    strength = min(1.0, count / whole)
    shade = 0.10 + 0.55 * strength if said == detected else 0.14 + 0.5 * strength**0.5
    return el("td", str(count), style=f"background: rgb(var({colour}) / {shade:.2f})")


def mistakes(evaluation: Evaluation) -> Element:
    every = find_mistakes(evaluation.as_set, evaluation.tolerance)
    shown = every[:MOST_MISTAKES]
    if not every:
        return section("What went wrong", "Nothing: no miss, no duplicate, no wrong word and no false accept.")
    kinds: dict[str, int] = {}
    for mistake in every:
        kinds[mistake.kind] = kinds.get(mistake.kind, 0) + 1
    many = ", ".join(_many(kind, count) for kind, count in kinds.items())
    which = "All of them" if len(shown) == len(every) else f"The worst {len(shown)} of {len(every)}"
    legend = [
        key("average, decided on", el("polyline", points="1,6 25,6", class_="mean")),
        key("posterior", el("polyline", points="1,6 25,6", class_="raw")),
        key("its strongest rival", el("polyline", points="1,6 25,6", class_="rival")),
        key("threshold", el("line", x1=1, x2=25, y1=6, y2=6, class_="threshold")),
        key("release", el("line", x1=1, x2=25, y1=6, y2=6, class_="release")),
        key("decision", el("g", el("circle", cx=13, cy=6, r=4), class_="fired")),
        key("labelled word", el("rect", x=3, y=0, width=20, height=12, class_="word mine")),
    ]
    cards = [_card(mistake, evaluation) for mistake in shown]
    return section(
        "What went wrong",
        f"{which}, surest first: {many}. Scores stand at the end of the second of sound that they are of.",
        el("div", legend, class_="legend"),
        el("div", cards, class_="moments"),
    )


def _many(kind: str, count: int) -> str:
    return f"{count} {kind}" if count == 1 else f"{count} {kind}{'es' if kind == 'miss' else 's'}"


def _card(mistake: Mistake, evaluation: Evaluation) -> Element:
    settings = evaluation.as_set.settings
    threshold = settings.keywords[mistake.keyword].threshold
    detail = f"{mistake.peak:.2f}" if mistake.verdict else f"came to {mistake.peak:.2f} of {threshold:g}"
    said = mistake.label.word if mistake.verdict and mistake.label and mistake.label.word != mistake.keyword else None
    return el(
        "div",
        el(
            "h3",
            mistake.keyword,
            el("span", mistake.kind, class_=f"kind {mistake.kind.split()[0]}"),
            el("span", detail, class_="soft", style="font-weight: 400"),
            el("span", f"said: {said}", class_="soft", style="font-weight: 400") if said else None,
        ),
        el("p", mistake.place, class_="place"),
        scores(mistake, settings),
        class_="card",
    )
