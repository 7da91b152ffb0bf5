"""The report, the JSON and the tables of an evaluation show every figure."""

from __future__ import annotations

import json
import re
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from kws.errors import UsageError
from kws.evaluation.curves import compared, together
from kws.evaluation.labels import LabelledWord
from kws.evaluation.plots import LogAxis, det, keyword_dets
from kws.evaluation.report import page
from kws.evaluation.scoring import ScoredStream, Utterance
from kws.evaluation.stream import Evaluation, evaluate
from kws.evaluation.stream_json import as_dict
from kws.evaluation.stream_text import print_evaluation, rough
from kws.evaluation.sweep import THRESHOLDS
from tests.support.posteriors import Activation, heard, settings

from .test_measure import scene

ABOUT = {"model": "made <up> & tested", "version": "1.0", "network": "model.tflite", "interpreter": "by hand"}
VOID = {"meta", "br", "hr", "img", "link", "input"}


class Reader(HTMLParser):
    """Reads a page and holds every opening tag against its closing one."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs
        assert len({name for name, _ in attrs}) == len(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["script"]):
            self.text += data


def speech() -> ScoredStream:
    """Two recordings of plain speech; the second has a false accept, and one that its transcript excuses."""
    said = [Utterance(Path("a/1.flac"), 1, 20, {}), Utterance(Path("a/2 & 3.flac"), 21, 40, {"on": 1})]
    return heard([Activation("on", 25.0), Activation("stop", 30.0, 0.93)], utterances=said, name="a")


@cache
def evaluation() -> Evaluation:
    return evaluate([scene(), speech()], settings(), held_out=[speech()])


@cache
def whole_page() -> str:
    return page(evaluation(), ABOUT)


def plots(reader: Reader) -> list[str | None]:
    """The identifiers of the plots of a page."""
    classes = [value for name, value in reader.attributes if name == "class"]
    names = [value for name, value in reader.attributes if name == "id"]
    assert len(names) == classes.count("plotly-graph-div")
    return names


def test_the_page_is_well_formed_and_needs_nothing_else() -> None:
    text = whole_page()
    reader = Reader(text)
    assert reader.open == []
    assert text.startswith("<!doctype html>")
    assert not {"link", "img", "iframe"} & set(reader.names)
    assert not [name for name, _ in reader.attributes if name in ("src", "href")]
    assert "prefers-color-scheme: dark" in text
    own = re.sub(r"<script>.*?</script>", "", text, count=1, flags=re.DOTALL)  # all but plotly's own script
    assert len(text) - len(own) > 1e6
    assert "url(" not in own
    assert "@import" not in own
    assert "nan" not in own.lower()


def test_the_page_says_everything() -> None:
    reader = Reader(whole_page())
    for words in (
        "made <up> & tested", "on", "off", "stop", "another word", "no word", "2 & 3.flac at 9.00 s",
        "Thresholds for 1 false accept an hour", "[keyword.stop]", "Checked on 0.02 h of other sound",
        "1 detections in plain speech are excused", "own 1", "All of them", "4 false accepts, 3 misses",
    ):  # fmt: skip
        assert words in reader.text
    assert plots(reader) == ["det", "keywords", *(f"mistake-{number}" for number in range(9))]


def test_a_page_without_words() -> None:
    text = Reader(page(evaluate([speech()], settings()), ABOUT)).text
    assert "none said" in text
    assert "What each threshold would cost" not in text
    assert "Thresholds for" not in text


def test_a_page_without_mistakes() -> None:
    stream = heard([Activation("on", 2.6)], [LabelledWord(2, 2.5, "on")])
    assert "None: no miss" in Reader(page(evaluate([stream], settings()), ABOUT)).text


def test_a_page_shows_no_more_than_the_worst(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kws.evaluation.report.MOST_MISTAKES", 3)
    labels = [LabelledWord(2.0 * i, 2.0 * i + 0.5, "on") for i in range(1, 100)]
    reader = Reader(page(evaluate([heard([], labels, seconds=210.0)], settings()), ABOUT))
    assert "The worst 3 of 99" in reader.text
    assert len(plots(reader)) == 2 + 3


def test_the_json_has_every_figure() -> None:
    report = json.loads(json.dumps(as_dict(evaluation())))
    assert report["as_set"]["keywords"]["on"] == {
        "threshold": 0.8, "said": 2, "hits": 1, "misses": 1, "miss_rate": 0.5, "miss_rate_95": [0.0945, 0.9055],
        "duplicates": 1, "wrong_words": 0, "false_accepts": 1, "excused": 1, "hours": 0.1167, "false_rate": 8.5714,
        "false_rate_95": [0.112, 47.6893], "latency_median": 0.2, "latency_95": 0.2,
    }  # fmt: skip
    assert [len(stream["detections"]) for stream in report["streams"]] == [8 - 1, 2]
    recording = "a/2 & 3.flac"
    assert report["streams"][1]["detections"] == [
        {"keyword": "on", "time": 25.0, "score": 0.95, "verdict": "excused", "recording": recording,
         "recording_time": 4.0},
        {"keyword": "stop", "time": 30.0, "score": 0.93, "verdict": "false accept", "recording": recording,
         "recording_time": 9.0},
    ]  # fmt: skip
    assert report["streams"][0]["missed"][0] == {"start": 6, "end": 6.5, "word": "on"}
    assert set(report["recommended"]["thresholds"]) == {"on", "off", "stop"}
    assert report["held_out"]["as_set"]["total"]["false_accepts"] == 1
    curve = report["det"]["keywords"]["off"]
    assert len(curve["thresholds"]) == len(curve["misses"]) == len(curve["false_accepts"])
    assert report["confusion"]["off"]["stop"] == 1


def test_the_tables_have_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    print_evaluation(evaluation(), Console(width=100))
    said = capsys.readouterr().out
    rows = {line.split()[0]: line.split() for line in said.splitlines() if line.split()[:1]}
    assert "missed 60.0 % of 5 words (23.1 % to 88.2 % at 95 % confidence)" in said
    assert "made.wav: 6.0 min, 6 words" in said
    assert "a: 0.01 h without labels, 2 recordings, 1 with a transcript" not in said
    assert "1 with a transcript" in said
    assert "labelled words that are not keywords of the model: own 1" in said
    assert rows["[keyword.on]"] == ["[keyword.on]"]
    assert next(line for line in said.splitlines() if line.split()[:1] == ["on"]).split() == [
        "on", "2", "1", "1", "50.0", "%", "0", "1", "1", "8.57", "0.20", "s", "0.20", "s",
    ]  # fmt: skip


def test_a_logarithmic_axis_has_room_for_zero() -> None:
    axis = LogAxis(0.02, 0.8)
    assert axis.place([0, 0.01, 0.5]) == pytest.approx([10**-2.5, 0.01, 0.5])
    layout = axis.layout(share=True)
    assert layout["ticktext"] == ["0 %", "1 %", "10 %", "100 %"]
    assert layout["tickvals"] == pytest.approx([10**-2.5, 0.01, 0.1, 1])
    low, high = layout["range"]
    assert 10**low < layout["tickvals"][0]
    assert 10**high > 1


def test_the_curves_are_those_that_were_measured() -> None:
    measured = evaluation()
    figure = det(measured)
    curve = next(trace for trace in figure.data if trace.name == "one threshold for all keywords")
    whole = together(list(compared(measured.curves).values()))
    place = THRESHOLDS.index(0.8)
    assert (curve.x[place], curve.y[place]) == (pytest.approx(whole.false_rate[place]), whole.miss_rate[place])
    assert curve.text[place].startswith("threshold 0.8: 60.0 % missed, ")
    panels = keyword_dets(measured)
    assert [title.text for title in panels.layout.annotations] == [
        "<b>on</b>, 2 said",
        "<b>off</b>, 2 said",
        "<b>stop</b>, 1 said",
    ]


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    with pytest.raises(UsageError, match=r"--report needs the extra 'report': pip install '\.\[report\]'"):
        page(evaluation(), ABOUT)


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (0.123, "0.12"), (1.26, "1.3"), (9.94, "9.9"), (123.4, "123")])
def test_rough_numbers(number: float, text: str) -> None:
    assert rough(number) == text


def test_false_accepts_on_labelled_other_words_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    words = [LabelledWord(2.0, 2.5, "tree"), LabelledWord(20.0, 20.5, "on")]
    stream = heard([Activation("on", 2.3, 0.999), Activation("on", 20.3, 0.999), Activation("on", 40, 0.999)], words)
    print_evaluation(evaluate([stream], settings(), budget=1000.0), Console(width=120))
    assert "1 of 2 false accepts are on labelled other words: errors, outside the budget" in capsys.readouterr().out
