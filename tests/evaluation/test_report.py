from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console

from kws.evaluation.labels import LabelledWord
from kws.evaluation.markup import el, render
from kws.evaluation.pictures import LogAxis
from kws.evaluation.posterior_cache import ScoredStream, Utterance
from kws.evaluation.report import page
from kws.evaluation.report_mistakes import MOST_MISTAKES
from kws.evaluation.stream import Evaluation, evaluate
from kws.evaluation.stream_json import as_dict
from kws.evaluation.stream_text import print_evaluation, rough
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
        if self.open[-1:] != ["style"]:
            self.text += data


def speech() -> ScoredStream:
    """Two recordings of plain speech; the second has a false accept, and one that its transcript excuses."""
    said = [Utterance(Path("a/1.flac"), 1, 20, {}), Utterance(Path("a/2 & 3.flac"), 21, 40, {"on": 1})]
    return heard([Activation("on", 25.0), Activation("stop", 30.0, 0.93)], utterances=said, name="a")


def evaluation() -> Evaluation:
    return evaluate([scene(), speech()], settings(), held_out=[speech()])


def test_the_page_is_well_formed_and_needs_nothing_else() -> None:
    text = page(evaluation(), ABOUT)
    reader = Reader(text)
    assert reader.open == []
    assert text.startswith("<!doctype html>")
    assert not {"script", "link", "img", "iframe"} & set(reader.names)
    assert not [name for name, _ in reader.attributes if name in ("src", "href") or name.startswith("on")]
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text
    assert "nan" not in text.lower().replace("resonan", "")


def test_the_page_says_everything() -> None:
    reader = Reader(page(evaluation(), ABOUT))
    for words in (
        "made <up> & tested", "on", "off", "stop", "another word", "no word", "2 & 3.flac at 9.00 s",
        "Thresholds for 1 false accept an hour", "[keyword.stop]", "Checked on 0.02 h of other sound",
        "1 detections in plain speech are excused", "own 1", "All of them", "4 false accepts, 3 misses",
    ):  # fmt: skip
        assert words in reader.text
    # A DET curve in all and one of each keyword, and a picture of each of nine mistakes, besides the keys.
    assert sum(value == "img" for name, value in reader.attributes if name == "role") == 1 + 3 + 9


def test_a_page_without_words() -> None:
    text = Reader(page(evaluate([speech()], settings()), ABOUT)).text
    assert "none said" in text
    assert "What each threshold would cost" not in text
    assert "Thresholds for" not in text


def test_a_page_without_mistakes() -> None:
    stream = heard([Activation("on", 2.6)], [LabelledWord(2, 2.5, "on")])
    assert "Nothing: no miss" in Reader(page(evaluate([stream], settings()), ABOUT)).text


def test_a_page_shows_no_more_than_the_worst() -> None:
    labels = [LabelledWord(2.0 * i, 2.0 * i + 0.5, "on") for i in range(1, 100)]
    reader = Reader(page(evaluate([heard([], labels, seconds=210.0)], settings()), ABOUT))
    assert f"The worst {MOST_MISTAKES} of 99" in reader.text
    assert sum(value == "img" for name, value in reader.attributes if name == "role") == 1 + 1 + MOST_MISTAKES


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
    assert "labelled words that are no keywords of the model: own 1" in said
    assert rows["[keyword.on]"] == ["[keyword.on]"]
    assert next(line for line in said.splitlines() if line.split()[:1] == ["on"]).split() == [
        "on", "2", "1", "1", "50.0", "%", "0", "1", "1", "8.57", "0.20", "s", "0.20", "s",
    ]  # fmt: skip


def test_text_is_escaped_and_numbers_are_short() -> None:
    element = el("p", "a < b & c", el("b", "d"), " > e", [None, el("i", class_="x")], data_x='"', width=1.23456, x=2.0)
    assert render(element) == (
        '<!doctype html>\n<p data-x="&quot;" width="1.23" x="2">a &lt; b &amp; c<b>d</b> &gt; e<i class="x"></i></p>\n'
    )


def test_a_logarithmic_axis_has_room_for_zero() -> None:
    axis = LogAxis(0.01, 1.0)
    assert [axis.share(value) for value in (0, 0.001, 0.01, 0.1, 1.0, 9.0)] == pytest.approx([0, 0.2, 0.2, 0.6, 1, 1])
    assert axis.ticks(fine=False) == pytest.approx([0, 0.01, 0.1, 1])
    assert axis.ticks(fine=True) == pytest.approx([0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1])


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (0.123, "0.12"), (1.26, "1.3"), (9.94, "9.9"), (123.4, "123")])
def test_rough_numbers(number: float, text: str) -> None:
    assert rough(number) == text
