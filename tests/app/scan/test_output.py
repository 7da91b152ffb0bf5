from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from kws.app.scan.output import check_output, write_output
from kws.app.scan.work import Outcome
from kws.errors import UsageError

ON = {"keyword": "on", "score": 0.9, "start": 0.5, "end": 0.85}
GATED = {"keyword": "grüße", "score": 0.75, "start": 3.0, "end": 3.25, "wake": "on"}


def outcome(name: str, *detections: dict[str, object]) -> Outcome:
    return Outcome(name=name, path=f"/{name}", size=1, mtime=1, detections=detections)


OUTCOMES = (outcome("b.wav", ON, GATED), outcome("c.wav"), outcome("a, ö.wav", ON))


def test_json_lines_are_one_object_for_each_detection_by_name(tmp_path: Path) -> None:
    write_output(tmp_path / "found.jsonl", OUTCOMES)
    assert (tmp_path / "found.jsonl").read_bytes().decode() == (
        '{"file": "a, ö.wav", "keyword": "on", "score": 0.9, "start": 0.5, "end": 0.85}\n'
        '{"file": "b.wav", "keyword": "on", "score": 0.9, "start": 0.5, "end": 0.85}\n'
        '{"file": "b.wav", "keyword": "grüße", "score": 0.75, "start": 3.0, "end": 3.25, "wake": "on"}\n'
    )


def test_csv_has_a_heading_and_a_row_for_each_detection(tmp_path: Path) -> None:
    write_output(tmp_path / "found.csv", OUTCOMES)
    assert (tmp_path / "found.csv").read_bytes().decode() == (
        'file,keyword,score,start,end,wake\n"a, ö.wav",on,0.9,0.5,0.85,\nb.wav,on,0.9,0.5,0.85,\n'
        "b.wav,grüße,0.75,3.0,3.25,on\n"
    )


def test_any_name_can_be_read_back(tmp_path: Path) -> None:
    name = 'a\udcff"\n,.wav'
    for file in ("found.jsonl", "found.csv"):
        write_output(tmp_path / file, [outcome(name, ON)])
    [line] = (tmp_path / "found.jsonl").read_text(encoding="utf-8").splitlines()  # it is UTF-8
    assert json.loads(line)["file"] == name
    with (tmp_path / "found.csv").open(encoding="utf-8", errors="surrogateescape", newline="") as table:
        assert [row["file"] for row in csv.DictReader(table)] == [name]


@pytest.mark.parametrize("name", ["found", "found.txt", "found.wav"])
def test_the_suffix_names_the_format(name: str) -> None:
    with pytest.raises(UsageError, match=rf"^--out {name}: must end in .jsonl or .csv$"):
        check_output(Path(name))
