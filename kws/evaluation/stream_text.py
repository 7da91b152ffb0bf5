"""An evaluation of streams as tables on a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from kws.evaluation.choose import as_toml, describe
from kws.evaluation.curves import compared, together
from kws.evaluation.matching import Kind
from kws.evaluation.measure import Figures, percent, seconds
from kws.evaluation.scoring import ScoredStream
from kws.evaluation.stream import Evaluation, OperatingPoint

#: The short table has a row for at most each of these false accepts an hour; the report and --json have all.
_ROWS = (100.0, 50.0, 20.0, 10.0, 5.0, 2.0, 1.0, 0.5, 0.2, 0.0)
#: Fewer false accepts say little about a rate: even with three, it may be off by a factor of three.
_ENOUGH = 3
#: A keyword with a larger miss rate is as good as switched off.
_OFF = 0.9


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Print all results, the most wanted first."""
    point = evaluation.as_set
    streams = [judged.stream for judged in point.streams]
    for line in summary(streams):
        console.print(line, soft_wrap=True, highlight=False)
    console.print(_figures_table(point))
    for line in remarks(evaluation):
        console.print(line, soft_wrap=True, highlight=False)
    console.print("\nOne threshold for all keywords, by falling false accepts", highlight=False)
    console.print(_sweep_table(evaluation))
    if evaluation.choice.picks:
        console.print(f"Thresholds for {false_accepts(evaluation.choice.budget)} an hour", highlight=False)
        console.print(_choice_table(evaluation))
        for line in choice_remarks(evaluation):
            console.print(line, soft_wrap=True, highlight=False)
        toml = as_toml(evaluation.choice, describe(evaluation.choice, point.total.hours))
        console.print(f"\n{toml}", soft_wrap=True, highlight=False, markup=False, end="")


def summary(streams: Sequence[ScoredStream]) -> list[str]:
    """Return the length of the sound: a line for each labelled recording and one for all plain sound."""
    lines = [
        f"{each.name}: {each.seconds / 60:.1f} min, {len(each.labels)} words" for each in streams if not each.utterances
    ]
    plain = [each for each in streams if each.utterances]
    if plain:
        recordings = [utterance for each in plain for utterance in each.utterances]
        folders = plain[0].name if len(plain) == 1 else f"{len(plain)} folders"
        lines.append(
            f"{folders}: {sum(each.seconds for each in plain) / 3600:.2f} h without labels, "
            f"{len(recordings)} recordings, {sum(bool(each.said) for each in recordings)} with a transcript"
        )
    return lines


def remarks(evaluation: Evaluation) -> list[str]:
    """Return what the table of figures cannot say."""
    point = evaluation.as_set
    total = point.total
    lines = []
    if total.miss_range:
        share, (least, most) = percent(total.miss_rate or 0.0), map(percent, total.miss_range)
        lines.append(f"missed {share} of {total.said} words ({least} to {most} at 95 % confidence)")
    lines.append(f"{false_accepts(total.false_rate)} an hour ({spread(total.false_range)} at 95 % confidence)")
    if total.excused:
        lines.append(f"{total.excused} detections in plain speech are excused: its transcripts have the words")
    keywords = point.keywords
    others = Counter(label.word for each in point.streams for label in each.stream.labels)
    others = Counter({word: count for word, count in others.items() if word not in keywords})
    if others:
        words = ", ".join(f"{word} {count}" for word, count in others.most_common(10))
        lines.append(f"labelled words that are not keywords of the model: {words}{' ...' if len(others) > 10 else ''}")
    return lines


def choice_remarks(evaluation: Evaluation) -> list[str]:
    """Return how far the recommended thresholds can be trusted."""
    choice, total = evaluation.choice, evaluation.recommended.total
    lines = []
    if not choice.kept:
        lines.append("no thresholds keep within the budget; these are the highest")
    off = [keyword for keyword in choice.picks if (evaluation.recommended.keywords[keyword].miss_rate or 0.0) > _OFF]
    if off:
        lines.append(f"{', '.join(off)}: almost switched off, because nothing better fits the budget")
    if choice.unsaid:
        lines.append(f"{', '.join(choice.unsaid)}: not said, so there is no threshold to choose and none is counted")
    verdicts = [verdict for each in evaluation.recommended.streams for verdict in each.verdicts]
    if others := sum(verdict.kind is Kind.FALSE and verdict.label is not None for verdict in verdicts):
        lines.append(f"{others} of {total.false} false accepts are on labelled other words: errors, outside the budget")
    if choice.budget * total.hours < _ENOUGH:
        lines.append(
            f"{total.hours:.2g} h of sound say little of {false_accepts(choice.budget)} an hour; "
            f"{_ENOUGH / choice.budget:.2g} h or more would"
        )
    if evaluation.held_out:
        before, after = (point.of(choice.picks) for point in evaluation.held_out)
        lines.append(
            f"checked on {after.hours:.2f} h of other sound: {false_accepts(after.false_rate)} an hour "
            f"({spread(after.false_range)} at 95 % confidence); {rough(before.false_rate)} as set"
        )
    return lines


def false_accepts(number: float) -> str:
    return f"{rough(number)} false accept{'' if number == 1 else 's'}"


def spread(bounds: tuple[float, float]) -> str:
    return f"{rough(bounds[0])} to {rough(bounds[1])}"


def rough(number: float) -> str:
    """Return a number with two digits and without an exponent."""
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"


def _figures_table(point: OperatingPoint) -> Table:
    table = Table(box=box.SIMPLE, header_style="", show_footer=True)
    total = point.total
    rows = [(keyword, *_row(figures)) for keyword, figures in point.keywords.items()]
    heads = ("", "said", "hits", "missed", "", "wrong", "duplicates", "false", "an hour", "latency", "95 %")
    for head, foot in zip(heads, ("in all", *_row(total)), strict=True):
        table.add_column(head, foot, justify="left" if not head and not table.columns else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _row(figures: Figures) -> tuple[str, ...]:
    return (
        str(figures.said),
        str(figures.hits),
        str(figures.misses),
        "" if figures.miss_rate is None else percent(figures.miss_rate),
        str(figures.wrong),
        str(figures.duplicates),
        str(figures.false),
        f"{figures.false_rate:.2f}",
        seconds(figures.latency(50)),
        seconds(figures.latency(95)),
    )


def _sweep_table(evaluation: Evaluation) -> Table:
    curve = together(list(compared(evaluation.curves).values()))
    table = _table("threshold", "missed", "", "wrong", "duplicates", "false", "an hour")
    within = (np.flatnonzero(curve.false_rate <= most) for most in _ROWS)
    for place in dict.fromkeys(int(places[0]) for places in within if len(places)):
        table.add_row(
            f"{curve.thresholds[place]:g}",
            str(curve.misses[place]),
            percent(curve.miss_rate[place]) if curve.said else "",
            str(curve.wrong[place]),
            str(curve.duplicates[place]),
            str(curve.false[place]),
            f"{curve.false_rate[place]:.2f}",
        )
    return table


def _choice_table(evaluation: Evaluation) -> Table:
    columns = ["", "as set", "recommended", "missed", "", "wrong", "false", "expected an hour"]
    table = _table(*columns)
    point = evaluation.recommended
    for keyword, pick in evaluation.choice.picks.items():
        figures = point.keywords[keyword]
        table.add_row(
            keyword,
            f"{evaluation.as_set.settings.keywords[keyword].threshold:g}",
            f"{pick.threshold:g}",
            str(figures.misses),
            percent(figures.miss_rate or 0.0),
            str(figures.wrong),
            str(figures.false),
            f"{pick.false_rate:.2f}",
        )
    table.add_section()
    total = point.of(evaluation.choice.picks)
    table.add_row(
        "in all",
        "",
        "",
        str(total.misses),
        percent(total.miss_rate or 0.0),
        str(total.wrong),
        str(total.false),
        f"{evaluation.choice.false_rate:.2f}",
    )
    return table


def _table(*heads: str) -> Table:
    table = Table(box=box.SIMPLE, header_style="")
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left")
    return table
