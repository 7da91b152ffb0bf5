"""The report of an evaluation of streams: one HTML page with plots that needs no network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING

from kws import __version__
from kws.errors import UsageError
from kws.evaluation.choose import as_toml
from kws.evaluation.measure import Figures, percent, seconds
from kws.evaluation.mistakes import MISSED, confusion, find_mistakes
from kws.evaluation.stream import Evaluation
from kws.evaluation.stream_text import choice_remarks, false_accepts, remarks, spread, summary

if TYPE_CHECKING:
    import plotly.graph_objects as go

#: Mistakes that are plotted, at most.
MOST_MISTAKES = 60


def check_report_libraries() -> None:
    """Raise :class:`UsageError` if a library that draws reports is missing."""
    try:
        import jinja2  # noqa: F401, PLC0415
        import plotly  # noqa: F401, PLC0415
    except ImportError as error:
        raise UsageError(f"--report needs the extra 'report': pip install '.[report]' ({error})") from None


def page(evaluation: Evaluation, about: Mapping[str, str]) -> str:
    """Return the whole page.

    Args:
        evaluation: what it shows.
        about: names of ``model``, ``version``, ``network`` and ``interpreter``.

    Raises:
        UsageError: plotly or Jinja2 is not installed.
    """
    check_report_libraries()
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415
    from plotly.offline import get_plotlyjs  # noqa: PLC0415

    from kws.evaluation import plots  # noqa: PLC0415

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(percent=percent, seconds=seconds)
    template = environment.from_string(files("kws.evaluation").joinpath("report.html.j2").read_text(encoding="utf-8"))
    mistakes = find_mistakes(evaluation.as_set, evaluation.tolerance)
    said = any(curve.said for curve in evaluation.curves.values())
    return template.render(
        about=about,
        kws=__version__,
        script=get_plotlyjs(),
        evaluation=evaluation,
        point=evaluation.as_set,
        choice=evaluation.choice,
        title=f"{about['model']}: {_title(evaluation)}",
        summary=summary([judged.stream for judged in evaluation.as_set.streams]),
        tiles=_tiles(evaluation.as_set.total),
        remarks=remarks(evaluation),
        det=[_embed(plots.det(evaluation), "det"), _embed(plots.keyword_dets(evaluation), "keywords")] if said else [],
        budget=false_accepts(evaluation.choice.budget),
        choice_remarks=choice_remarks(evaluation),
        toml=as_toml(evaluation.choice).strip().split("\n\n"),
        confusion=_shaded(confusion(evaluation.as_set)),
        kinds=Counter(mistake.kind for mistake in mistakes),
        mistakes=len(mistakes),
        cards=[
            (mistake, _embed(plots.scores(mistake, evaluation.as_set.settings), f"mistake-{number}"))
            for number, mistake in enumerate(mistakes[:MOST_MISTAKES])
        ],
        tolerance=min(evaluation.tolerance.values()),
    )


def _embed(figure: go.Figure, name: str) -> str:
    """Return a plot as HTML that uses the page's one copy of plotly's script."""
    config = {"displayModeBar": False, "responsive": True}
    return str(figure.to_html(full_html=False, include_plotlyjs=False, div_id=name, config=config))


def _title(evaluation: Evaluation) -> str:
    total = evaluation.as_set.total
    words = f"{total.said:,} words in " if total.said else ""
    hours = f"{total.hours:.1f} hours" if total.hours >= 1 else f"{60 * total.hours:.0f} minutes"
    return f"{words}{hours} of sound"


def _tiles(total: Figures) -> list[tuple[str, str, str]]:
    """Return the name, the value and the detail of each headline figure."""
    missed, latency = ("none said", ""), ("", "")
    if total.miss_rate is not None and total.miss_range is not None:
        low, high = total.miss_range
        missed = percent(total.miss_rate), f"{total.misses} of {total.said}; {100 * low:.1f} to {percent(high)}"
    if total.latencies:
        latency = seconds(total.latency(50)), f"median; 95 % within {seconds(total.latency(95))}"
    false = f"{total.false} in all; {spread(total.false_range)} an hour"
    return [
        ("words missed", *missed),
        ("false accepts an hour", f"{total.false_rate:.2f}", false),
        ("wrong words", str(total.wrong), "another keyword was said"),
        ("duplicates", str(total.duplicates), "a word detected again"),
        ("latency", *latency),
    ]


def _shaded(counts: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, tuple[int, float]]]:
    """Return each count of the confusion matrix and its share, 0 to 1, of the times that the word was spoken."""
    shaded = {}
    for said, row in counts.items():
        whole = row.get(said, 0) + row[MISSED] or max(row.values(), default=0)
        if said in row or whole:
            shaded[said] = {name: (count, min(1.0, count / max(1, whole))) for name, count in row.items()}
    return shaded
