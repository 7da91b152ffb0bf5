"""An evaluation of streams as one JSON object."""

from __future__ import annotations

from typing import Any

from kws.evaluation.choose import frontier
from kws.evaluation.curves import Curve
from kws.evaluation.matching import Kind, Verdict
from kws.evaluation.measure import Figures, Judged
from kws.evaluation.mistakes import confusion
from kws.evaluation.stream import Evaluation, OperatingPoint


def as_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Return all results; times in seconds, shares of one, and false accepts per hour."""
    choice, held_out = evaluation.choice, evaluation.held_out
    return {
        "hop": evaluation.as_set.settings.hop,
        "tolerance": evaluation.tolerance,
        "streams": [_stream(judged) for judged in evaluation.as_set.streams],
        "as_set": _point(evaluation.as_set),
        "recommended": {
            "budget": choice.budget,
            "kept": choice.kept,
            "expected_false_rate": _round(choice.false_rate),
            "thresholds": {keyword: pick.threshold for keyword, pick in choice.picks.items()},
            "not_said": choice.unsaid,
            **_point(evaluation.recommended),
        },
        "held_out": held_out
        and {
            "as_set": _point(held_out[0]),
            "recommended": _point(held_out[1]),
            # Only the keywords with a recommended threshold: the budget is theirs.
            "chosen": _figures(held_out[1].of(choice.picks)),
        },
        "confusion": confusion(evaluation.as_set),
        "det": {
            "keywords": {keyword: _curve(curve) for keyword, curve in evaluation.curves.items()},
            "own_thresholds": [
                {"false_rate": _round(rate), "miss_rate": _round(share)} for rate, share in frontier(evaluation.curves)
            ],
        },
    }


def _point(point: OperatingPoint) -> dict[str, Any]:
    thresholds = {keyword: chosen.threshold for keyword, chosen in point.settings.keywords.items()}
    return {
        "total": _figures(point.total),
        "keywords": {
            keyword: {"threshold": thresholds[keyword], **_figures(each)} for keyword, each in point.keywords.items()
        },
    }


def _figures(figures: Figures) -> dict[str, Any]:
    return {
        "said": figures.said,
        "hits": figures.hits,
        "misses": figures.misses,
        "miss_rate": _round(figures.miss_rate),
        "miss_rate_95": figures.miss_range and [_round(bound) for bound in figures.miss_range],
        "duplicates": figures.duplicates,
        "wrong_words": figures.wrong,
        "false_accepts": figures.false,
        "excused": figures.excused,
        "hours": _round(figures.hours),
        "false_rate": _round(figures.false_rate),
        "false_rate_95": [_round(bound) for bound in figures.false_range],
        "latency_median": _round(figures.latency(50)),
        "latency_95": _round(figures.latency(95)),
    }


def _stream(judged: Judged) -> dict[str, Any]:
    stream = judged.stream
    return {
        "name": stream.name,
        "seconds": _round(stream.seconds),
        "words": len(stream.labels),
        "recordings": len(stream.utterances),
        "with_transcript": sum(bool(utterance.said) for utterance in stream.utterances),
        "detections": [_verdict(verdict) for verdict in judged.verdicts],
        "missed": [{"start": label.start, "end": label.end, "word": label.word} for label in judged.missed],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "keyword": verdict.keyword,
        "time": _round(verdict.time),
        "score": _round(verdict.score),
        "verdict": verdict.kind,
    }
    if verdict.label:
        fields["said"] = verdict.label.word
    if verdict.kind is Kind.HIT:
        fields["latency"] = _round(verdict.latency)
    if verdict.utterance:
        fields["recording"] = str(verdict.utterance.path)
        fields["recording_time"] = _round(verdict.time - verdict.utterance.start)
    return fields


def _curve(curve: Curve) -> dict[str, Any]:
    return {
        "thresholds": curve.thresholds.tolist(),
        "said": curve.said,
        "misses": curve.misses.tolist(),
        "duplicates": curve.duplicates.tolist(),
        "wrong_words": curve.wrong.tolist(),
        "false_accepts": curve.false.tolist(),
    }


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
