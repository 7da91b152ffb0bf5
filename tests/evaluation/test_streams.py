"""From sound to figures, by a real network that hears tones, and as the command line has it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from kws.cli import main
from kws.errors import UsageError
from kws.evaluation.scoring import StreamScorer
from kws.inference.model import Model
from tests.support.toy_model import PITCHES, RATE, tone, write_clips, write_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, a mixed stream and three recordings of "speech" by two speakers, one with a transcript."""
    place = tmp_path_factory.mktemp("streams")
    write_model(place / "model")
    write_clips(place / "clips")
    (place / "noise").mkdir()
    rng = np.random.default_rng(0)
    soundfile.write(place / "noise" / "hiss.wav", rng.standard_normal(3 * RATE) * 0.05, RATE)
    arguments = [place / "clips", "--noise", place / "noise", "--snr", 30, "--gap", "1:1.5", "--out", place / "s.wav"]
    assert main(["mix", *map(str, arguments)]) == 0
    for name, words in (("1/1-0.flac", ["on", "off"]), ("1/1-1.flac", ["stop"]), ("2/2-0.flac", ["on"])):
        path = place / "speech" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pause = np.zeros(RATE // 2, np.float32)
        soundfile.write(path, np.concatenate([pause, *(part for word in words for part in (tone(word), pause))]), RATE)
    (place / "speech" / "1" / "1.trans.txt").write_text("1-0 TURN IT ON\n1-1 HALT\n")
    return place


def evaluate(*arguments: object) -> int:
    return main(["evaluate", "stream", *map(str, arguments)])


def report(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    said = capsys.readouterr()
    assert said.err == ""
    return dict(json.loads(said.out))


def test_every_tone_is_heard_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(folder / "s.wav", folder / "s.tsv", "--model", folder / "model", "--json") == 0
    total = report(capsys)["as_set"]["total"]
    assert (total["said"], total["hits"], total["duplicates"], total["wrong_words"], total["false_accepts"]) == (
        12,
        12,
        0,
        0,
        0,
    )
    assert total["hours"] == pytest.approx(soundfile.info(folder / "s.wav").duration / 3600, abs=1e-4)


def test_transcripts_excuse_and_folders_are_held_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", folder / "model", "--json"]
    speech = folder / "speech"
    assert evaluate("--negative", speech / "1", "--hold-out", speech / "2", *arguments) == 0
    found = report(capsys)
    # The transcripts have "on" and neither "off" nor "stop".
    assert [found["as_set"]["keywords"][word]["excused"] for word in PITCHES] == [1, 0, 0]
    assert [found["as_set"]["keywords"][word]["false_accepts"] for word in PITCHES] == [0, 1, 1]
    assert found["held_out"]["as_set"]["total"]["false_accepts"] == 1
    assert evaluate("--negative", speech, *arguments) == 0
    assert report(capsys)["as_set"]["total"]["false_accepts"] == 3


def test_options_decide(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [folder / "s.wav", folder / "s.tsv", "--model", folder / "model", "--json"]
    assert evaluate(*arguments, "--patience", "40") == 0
    keywords = report(capsys)["as_set"]["keywords"]
    assert [keywords[word]["hits"] for word in PITCHES] == [0, 0, 0]
    assert evaluate(*arguments, "--wake-word", "off", "--wake-seconds", "0.1") == 0
    keywords = report(capsys)["as_set"]["keywords"]
    assert [keywords[word]["hits"] for word in PITCHES] == [0, 4, 0]


def test_thresholds_are_written_and_taken_back(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    streams = [folder / "s.wav", folder / "s.tsv", "--negative", folder / "speech", "--model", folder / "model"]
    out = tmp_path / "thresholds.toml"
    assert evaluate(*streams, "--budget", 2, "--write-thresholds", out, "--report", tmp_path / "r.html") == 0
    said = capsys.readouterr().out
    assert "Thresholds for 2 false accepts an hour" in said
    text = out.read_text()
    assert text in said
    assert text.startswith("# kws evaluate stream: for 2 false accepts an hour")
    chosen = {word: table["threshold"] for word, table in tomllib.loads(text)["keyword"].items()}
    assert set(chosen) == set(PITCHES)
    assert "<!doctype html>" in (tmp_path / "r.html").read_text()
    assert evaluate(*streams, "--settings", out, "--json") == 0
    keywords = report(capsys)["as_set"]["keywords"]
    assert {word: keywords[word]["threshold"] for word in PITCHES} == chosen


def test_what_the_model_said_is_remembered(folder: Path, tmp_path: Path) -> None:
    def listener(hop: float = 0.05) -> StreamScorer:
        return StreamScorer(Model(folder / "model"), hop, cache=tmp_path / "cache")

    fresh = listener().plain(folder / "speech")
    calls: list[float] = []
    again = listener().plain(folder / "speech", lambda done, total: calls.append(done / total))
    assert calls == []
    np.testing.assert_array_equal(fresh.cache.posteriors, again.cache.posteriors)
    assert fresh.cache.levels == again.cache.levels
    assert [(each.path, each.start, each.end, each.said) for each in fresh.utterances] == [
        (each.path, each.start, each.end, each.said) for each in again.utterances
    ]
    other = listener(0.1).plain(folder / "speech", lambda done, total: calls.append(done / total))
    assert calls == pytest.approx([1 / 3, 2 / 3, 1])
    assert len(other.cache.posteriors) == pytest.approx(len(fresh.cache.posteriors) / 2, abs=1)


def test_recordings_of_speech_are_one_stream_with_silence_round_each(folder: Path) -> None:
    heard = StreamScorer(Model(folder / "model"), 0.05).plain(folder / "speech")
    assert [(each.path.name, each.start, each.end, dict(each.said)) for each in heard.utterances] == [
        ("1-0.flac", 1.0, 3.5, {"turn": 1, "it": 1, "on": 1}),
        ("1-1.flac", 4.5, 6.0, {"halt": 1}),
        ("2-0.flac", 7.0, 8.5, {}),
    ]
    assert heard.seconds == 2.5 + 1.5 + 1.5
    assert len(heard.cache.posteriors) == (9.5 - 1) / 0.05 + 1
    assert [heard.utterance(time).path.name for time in (0.5, 4.4, 4.5, 9.4) if heard.utterance(time)] == [  # type: ignore[union-attr]
        "1-0.flac", "1-0.flac", "1-1.flac", "2-0.flac",
    ]  # fmt: skip


def test_labels_must_belong_to_their_recording(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "long.tsv").write_text("999\t1000\ton\n")
    with pytest.raises(UsageError, match=r"long\.tsv: a word ends at 1000\.00 s, but .*s\.wav is .* s long"):
        StreamScorer(Model(folder / "model"), 0.05).labelled(folder / "s.wav", tmp_path / "long.tsv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["s.wav"], "give each recording before its labels: AUDIO LABELS.tsv [AUDIO LABELS.tsv ...]"),
        ([], "nothing to hear: give recordings with labels, or --negative DIR"),
        (["s.wav", "s.tsv", "--keywords", "none"], "every keyword is switched off: there is nothing to evaluate"),
        (["s.wav", "s.tsv", "--budget", "0"], "--budget 0: must be above 0"),
        (["s.wav", "s.tsv", "--budget", "nan"], "--budget nan: must be above 0"),
        (["s.wav", "s.tsv", "--tolerance", "-1"], "--tolerance -1: between 0 and 10 seconds"),
        (["s.wav", "s.tsv", "--report", "nowhere/r.html"], "nowhere/r.html: no such folder"),
        (["s.wav", "s.tsv", "--report", "speech"], "speech: Is a directory"),
        (["--negative", "speech", "--write-thresholds", "t.toml"],
         "--write-thresholds: thresholds are weighed against misses; give a recording with labels"),
        (["--negative", "speech", "--hold-out", "noise", "speech/1/.."],
         "--hold-out speech/1/..: shares recordings with --negative speech, and must not"),
        (["--negative", "speech", "--hold-out", "speech/2"],
         "--hold-out speech/2: shares recordings with --negative speech, and must not"),
        (["s.wav", "s.tsv", "--negative", "nowhere"], "nowhere: no such folder"),
        (["s.wav", "nowhere.tsv"], "nowhere.tsv: No such file or directory"),
        (["s.tsv", "s.wav"], "s.wav: not a text file in UTF-8; labels are lines of start, end and word"),
        (["s.wav", "other.tsv", "--write-thresholds", "t.toml"],
         "--write-thresholds: none of the model's keywords is said in the recordings"),
    ],
)  # fmt: skip
def test_wrong_usage(
    folder: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    (folder / "other.tsv").write_text("1\t2\telse\n")
    assert evaluate(*arguments, "--model", "model") == 2
    assert capsys.readouterr().err == f"kws: {message}\n"
    assert not (folder / "t.toml").exists()


def test_a_recording_that_is_not_there(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(folder / "nowhere.wav", folder / "s.tsv", "--model", folder / "model") == 1
    assert capsys.readouterr().err == f"kws: cannot read {folder / 'nowhere.wav'}: No such file or directory\n"


def test_the_model_that_ships_on_a_stream_of_clips(
    model_folder: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On held-out speakers in held-out noise at 10 dB: nothing twice, nearly everything, and at once."""
    words = "yes,no,up,down,left,right,on,off,stop,go"
    mixed = [data / "speech_commands" / "validation", "--words", words, "--count", "6", "--out", tmp_path / "s.wav"]
    mixed += ["--gap", "0.4:0.8"]  # as close as people speak, so that the stream is short
    mixed += ["--noise", data / "noise", "--noise-only", "rain,rooster,exercise_bike", "--seed", "1"]
    assert main(["mix", *map(str, mixed)]) == 0
    capsys.readouterr()
    assert evaluate(tmp_path / "s.wav", tmp_path / "s.tsv", "--model", model_folder, "--json") == 0
    total = report(capsys)["as_set"]["total"]
    assert total["said"] == 60
    assert total["duplicates"] == 0
    assert total["miss_rate"] <= 0.25
    assert total["latency_median"] <= 0.15
