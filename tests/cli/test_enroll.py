"""``kws enroll``, and listening to what it wrote."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kws.common.voices import utterances, voices
from kws.enroll.word_file import read_word
from tests.support import ROOT
from tests.support.broker import Broker, Subscriber
from tests.support.program import error, kws, start
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(
    not (shutil.which("espeak-ng") and shutil.which("flite")), reason="needs espeak-ng and flite"
)

SMALL = ("--model", "commands-small")
DEMO = ROOT / "kws" / "data" / "demo.flac"


def say(folder: Path, text: str, count: int, *, first: int = 0) -> list[Path]:
    """Write recordings of a text by so many voices, with quiet around it."""
    folder.mkdir(exist_ok=True)
    files = []
    for number, (_, sound) in enumerate(utterances(text, count, among=voices()[first : first + count])):
        files.append(folder / f"{text}-{first + number}.wav")
        noise = np.random.default_rng(number).normal(0, 1e-3, len(sound) + 16000)
        noise[8000:-8000] += 0.5 * sound
        soundfile.write(files[-1], noise, 16000)
    return files


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return say(tmp_path_factory.mktemp("clips"), "banana", 6)


@pytest.fixture(scope="module")
def word(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A word file, from the command as users call it."""
    path = tmp_path_factory.mktemp("word") / "banana.json"
    done = kws("enroll", "banana", *clips, "--out", path, *SMALL)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{path}: learned without it, ")
    return path


def detections(*arguments: str | Path) -> list[list[str]]:
    """Return the fields of each detection, without the time of day."""
    done = kws("listen", *arguments, "--format", "tsv", *SMALL)
    assert done.returncode == 0, done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return [[*row[:4], *row[5:]] for row in rows]


def test_the_report_is_honest(word: Path) -> None:
    report = read_word(word).report
    assert report["recordings"] == 6
    assert 2 <= report["heard"] <= 6
    assert report["false_accepts_an_hour"] <= 1
    assert all(0.15 <= share <= 1 for share in report["similar"].values())


def test_recordings_that_it_learned_from_fire(word: Path, clips: list[Path]) -> None:
    for clip in clips:
        heard = detections(clip, "--word", word, "--keywords", "none")
        assert [row[0] for row in heard] == ["banana"], clip


def test_the_keywords_of_the_model_are_unchanged(word: Path) -> None:
    with_word, without = detections("--demo", "--word", word), detections("--demo")
    assert len(without) >= 10
    same = [row for row in with_word if row[0] != "banana"]
    assert [[row[0], *row[2:]] for row in same] == [[row[0], *row[2:]] for row in without]
    # With one keyword more, other windows are spared, so that a score may differ in its last digits.
    assert [float(row[1]) for row in same] == pytest.approx([float(row[1]) for row in without], abs=0.01)


def test_keywords_none_leaves_the_word(word: Path) -> None:
    assert {row[0] for row in detections("--demo", "--word", word, "--keywords", "none")} <= {"banana"}


def test_more_recordings_are_learned_beside_those_before(word: Path, clips: list[Path], tmp_path: Path) -> None:
    more = say(tmp_path / "more", "banana", 2, first=10)
    out = tmp_path / "more.json"
    done = kws("enroll", "--more", word, *more, "--out", out, "--json", *SMALL)
    report = json.loads(done.stdout)
    assert (report["word"], report["recordings"]) == ("banana", 8)
    assert read_word(out).lengths[:6] == read_word(word).lengths
    wrong = say(tmp_path / "wrong", "bandana", 3, first=20)
    done = kws("enroll", "--more", out, "--negative", wrong[0].parent, *SMALL)
    assert done.returncode == 0, done.stderr
    assert read_word(out).negatives
    assert len(read_word(out).lengths) == 8


def test_synthetic_voices_alone(tmp_path: Path, clips: list[Path]) -> None:
    done = kws("enroll", "banana", "--say", "8", "--json", *SMALL, cwd=tmp_path)
    assert json.loads(done.stdout)["file"] == "banana.json"
    assert read_word(tmp_path / "banana.json").report["recordings"] == 8


def test_a_service_hears_it_and_shows_it(word: Path, clips: list[Path], tmp_path: Path) -> None:
    shutil.copy(word, tmp_path / "word.json")
    (tmp_path / "kws.toml").write_text(
        f'[source]\ninput = "{clips[0]}"\n[model]\nname = "commands-small"\n[[word]]\nfile = "word.json"\n'
        '[stdout]\nformat = "tsv"\n[decision]\nkeywords = []\n'
    )
    config = ("--config", tmp_path / "kws.toml")
    assert kws("run", *config).stdout.split("\t")[0] == "banana"
    checked = kws("check", *config)
    assert "with 12 keywords and 'banana'" in checked.stdout
    assert checked.returncode == 0
    shown = kws("config", "show", *config).stdout
    assert f'[[word]]\nfile = "{tmp_path / "word.json"}"' in shown
    (tmp_path / "shown.toml").write_text(shown)
    assert kws("run", "--config", tmp_path / "shown.toml").stdout.split("\t")[0] == "banana"
    (tmp_path / "word.json").write_text("{")
    assert f"{tmp_path / 'word.json'}: damaged" in kws("check", *config).stdout
    assert kws("check", *config).returncode == 2
    assert error(kws("run", *config), 2).startswith(f"{tmp_path / 'word.json'}: damaged, or no word file")


def test_a_running_service_takes_it_up_and_drops_it_again(
    word: Path, clips: list[Path], tmp_path: Path, broker: Broker, subscriber: Subscriber
) -> None:
    """A reload brings an enrolled word, its switch and threshold and its entities over MQTT, and takes them away."""
    config = tmp_path / "kws.toml"
    before = (
        f'[source]\ninput = "-"\nrate = 16000\nsite = "hall"\n[model]\nname = "commands-small"\n[watch]\nstall = 60\n'
        f'[mqtt]\nurl = "{broker.url}"\n[home_assistant]\n[decision]\nkeywords = ["computer"]\n'
    )
    config.write_text(before)
    spoken = (soundfile.read(clips[0], dtype="int16")[0]).tobytes()
    quiet = np.random.default_rng(1).integers(-20, 20, 3200, "<i2").tobytes()
    with start("run", "--config", config, stdout=None, stderr=None) as program:
        assert program.stdin

        def hear(*sounds: bytes) -> None:
            assert program.stdin
            for sound in sounds:
                program.stdin.write(sound)
            program.stdin.flush()

        def states(path: str) -> list[str]:
            return [one.payload for one in subscriber.on(f"kws/hall/state/{path}")]

        def detected() -> int:
            return sum(one.payload.startswith('{"keyword": "banana"') for one in subscriber.on("kws/hall/detection"))

        def entities() -> set[str]:
            last = {one.topic: one.payload for one in list(subscriber.heard) if one.topic.startswith("homeassistant/")}
            return {topic for topic, payload in last.items() if "banana" in payload}

        def until(happened: Callable[[], bool], what: str) -> None:
            def heard() -> bool:
                hear(quiet)  # requests are obeyed, and settings change, between two blocks of sound
                return happened()

            wait_until(heard, what, timeout=60)

        def reloaded(text: str, happened: Callable[[], bool], what: str) -> None:
            config.write_text(text)
            program.send_signal(signal.SIGHUP)
            until(happened, what)

        try:
            hear(quiet * 8)
            subscriber.wait("kws/hall/status", "online")
            until(lambda: states("keyword/computer")[-1:] == ["ON"], "the switch of the keyword")
            assert not states("keyword/banana")
            assert not entities()
            with_word = f'{before}[[word]]\nfile = "{word}"\n'
            reloaded(with_word, lambda: states("keyword/banana")[-1:] == ["ON"], "its switch")
            until(lambda: len(entities()) > 0, "its entities")
            hear(quiet * 8, spoken, quiet * 8)
            until(lambda: detected() == 1, "the word")
            subscriber.publish("kws/hall/set/threshold/banana", "0.9")
            until(lambda: states("threshold/banana")[-1:] == ["0.9"], "its threshold")
            subscriber.publish("kws/hall/set/keyword/banana", "OFF")
            until(lambda: states("keyword/banana")[-1:] == ["OFF"], "its switch off")
            hear(quiet * 8, spoken, quiet * 8)
            reloaded(before, lambda: states("keyword/banana")[-1:] == [""], "its end")
            assert detected() == 1
            until(lambda: not entities(), "the end of its entities")
        finally:
            program.kill()


def test_the_wyoming_server_lists_it_and_detects_it(word: Path, clips: list[Path]) -> None:
    pytest.importorskip("wyoming")
    from tests.cli.test_wyoming import served, serving
    from tests.support.wyoming_clients import chunks, detect, pcm

    options = ("--uri", "tcp://127.0.0.1:0", "--word", word, "--keywords", "computer")
    with serving("wyoming", *options, *SMALL) as (_, port):
        assert served(port) == ["computer", "banana"]
        sound, rate = soundfile.read(clips[0], dtype="float32")
        for names, found in ((["banana"], ["banana"]), (["computer"], [None]), ([], ["banana"])):
            got = asyncio.run(detect(port, chunks(pcm(sound), rate), names))
            assert [one and one.name for one in got] == found


def silent(path: Path) -> list[Path]:
    files = [path / f"{number}.wav" for number in range(5)]
    for file in files:
        soundfile.write(file, np.zeros(16000), 16000)
    return files


def one(path: Path) -> list[Path]:
    return say(path / "one", "banana", 1)


def different(path: Path) -> list[Path]:
    texts = ("banana", "yesterday", "kitchen", "open it", "my friend")
    return [say(path / "five", text, 1, first=place)[0] for place, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (silent, "{}/0.wav: silence; no word is heard"),
        (one, "1 recording of 'banana': at least 3 are needed, and 5 are better"),
        (different, "the recordings are not of one word"),
        (lambda path: [path / "none.wav"], "cannot read {}/none.wav: "),
        (lambda path: [path], "{}: no recordings (.wav, .flac or .ogg)"),
    ],
)
def test_what_cannot_be_learned_ends_in_one_line(
    tmp_path: Path, make: Callable[[Path], list[Path]], problem: str
) -> None:
    done = kws("enroll", "banana", *make(tmp_path), "--out", tmp_path / "out.json", *SMALL)
    assert done.stderr.startswith(f"kws: {problem.format(tmp_path)}"), done.stderr
    assert done.stderr.count("\n") == 1
    assert done.returncode in {1, 2}
    assert not (tmp_path / "out.json").exists()


def test_wrong_usage(word: Path, tmp_path: Path) -> None:
    assert error(kws("enroll"), 2) == "name the word to learn: kws enroll WORD [CLIP ...]"
    assert error(kws("enroll", "on", "x.wav", *SMALL), 2) == "'on' is a keyword of the model commands-small already"
    assert error(kws("enroll", " ", "x.wav"), 2) == "' ' cannot be the name of a word"
    assert error(kws("enroll", "a", "x.wav", "--out", tmp_path / "no" / "a.json"), 2).endswith("a.json: no such folder")
    other = error(kws("listen", "--demo", "--word", word, "--model", "commands"), 2)
    assert other == f"{word}: was enrolled with the model commands-small; enroll 'banana' again with --model commands"
    assert error(kws("listen", "--demo", "--word", word, "--word", word, *SMALL), 2).startswith(
        f"{word}: 'banana' is the word of another file already"
    )
    assert error(kws("listen", "--demo", "--word", "none.json"), 2).endswith("none.json: No such file or directory")
