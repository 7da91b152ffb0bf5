from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from msgspec.structs import replace

from kws.publishers.formats import FORMATS, as_dict, as_json, as_text, as_tsv
from kws.types import Detection

ON = Detection(
    keyword="on",
    score=0.97,
    start=11.62,
    end=12.3,
    time=datetime(2026, 1, 1, 12, 0, 0, 123456, UTC),
    model="commands",
)
GATED = replace(ON, wake="computer")


def test_json_is_the_line_that_the_design_shows() -> None:
    assert as_json(ON) == (
        '{"keyword": "on", "score": 0.97, "start": 11.62, "end": 12.3, '
        '"time": "2026-01-01T12:00:00.123Z", "model": "commands"}'
    )


def test_json_names_the_wake_word_where_there_was_one() -> None:
    assert json.loads(as_json(GATED)) == {**json.loads(as_json(ON)), "wake": "computer"}


def test_seconds_and_scores_are_rounded_to_thousandths() -> None:
    fields = as_dict(replace(ON, score=0.96755, start=1 / 3, end=2 / 3))
    assert (fields["score"], fields["start"], fields["end"]) == (0.968, 0.333, 0.667)


def test_time_is_in_utc_with_milliseconds() -> None:
    berlin = timezone(timedelta(hours=2))
    moment = datetime(2026, 6, 30, 23, 59, 59, 999999, berlin)
    assert as_dict(replace(ON, time=moment))["time"] == "2026-06-30T21:59:59.999Z"
    assert as_dict(replace(ON, time=datetime(2026, 1, 1, tzinfo=UTC)))["time"] == "2026-01-01T00:00:00.000Z"


def test_json_is_one_line_in_any_script() -> None:
    line = as_json(replace(ON, keyword='gr"ün\n言'))
    assert "\n" not in line
    assert "ün" in line
    assert json.loads(line)["keyword"] == 'gr"ün\n言'


@pytest.mark.parametrize(("detection", "wake"), [(ON, ""), (GATED, "computer")])
def test_tsv_always_has_eight_columns(detection: Detection, wake: str) -> None:
    assert as_tsv(detection).split("\t") == [
        "on", "0.970", "11.620", "12.300", "2026-01-01T12:00:00.123Z", "commands", wake, "",
    ]  # fmt: skip


def test_text_is_for_people() -> None:
    assert as_text(ON) == "   12.30 s  on  97%"
    # Half a percent is rounded up from what the other formats tell, 0.935, and not from what it was.
    assert as_text(replace(ON, score=0.93496)) == "   12.30 s  on  94%"
    assert as_text(GATED) == "   12.30 s  on  97%  after computer"


def test_the_formats() -> None:
    assert {"json": as_json, "text": as_text, "tsv": as_tsv} == FORMATS


def test_a_site_is_told_where_there_is_one() -> None:
    heard = replace(GATED, site="kitchen")
    assert json.loads(as_json(heard)) == {**json.loads(as_json(GATED)), "site": "kitchen"}
    assert as_tsv(heard).split("\t")[-2:] == ["computer", "kitchen"]
    assert as_text(heard) == "   12.30 s  on  97%  after computer  in kitchen"
