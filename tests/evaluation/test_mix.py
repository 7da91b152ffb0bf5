from __future__ import annotations

import shutil
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pytest
import soundfile

from kws.audio.word_extent import word_extent
from kws.cli import main
from kws.errors import AudioError, UsageError
from kws.evaluation.labels import read_labels
from kws.evaluation.mix import Clip, find_clips, find_noise, find_talk, mix
from tests.support.toy_model import PITCHES, RATE, tone, write_clips

Form: TypeAlias = Literal["NFC", "NFD"]

#: Where the tone of a clip of ``toy`` begins and ends in it.
BEGIN, END = 3840, 11840


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    return write_clips(tmp_path / "clips")


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """Hums of 7 kHz, louder and quieter, in folders of their own, and one with silence round it."""
    time = np.arange(3 * RATE) / RATE
    for number, level in enumerate((0.3, 0.01, 0.1)):
        folder = tmp_path / "noise" / f"kind{number}"
        folder.mkdir(parents=True)
        hum = level * np.sin(2 * np.pi * 7000 * time)
        if number == 2:
            hum = np.concatenate((np.zeros(RATE), hum, np.zeros(RATE)))
        soundfile.write(folder / f"hum{number}.flac", hum, RATE)
    return tmp_path / "noise"


def spectrum(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The spectrum of a sound that is padded to a power of two, and its frequencies in hertz."""
    size = 1 << (len(sound) - 1).bit_length()  # other lengths may take a hundred times as long
    return np.fft.rfft(sound, size), np.fft.rfftfreq(size, 1 / RATE)


def power(sound: np.ndarray, low: float, high: float) -> float:
    """The mean square of what lies between two frequencies: by the spectrum, not by what ``mix`` measures."""
    lines, hertz = spectrum(sound * np.hanning(len(sound)))
    return float((np.abs(lines[(hertz >= low) & (hertz < high)]) ** 2).sum())


def parted(samples: np.ndarray, hertz: float) -> tuple[np.ndarray, np.ndarray]:
    """The parts of a mixed stream below and above a frequency: told apart by pitch, not by what the mixer knows."""
    lines, frequencies = spectrum(samples / 32768)
    below, above = (np.fft.irfft(np.where(part, lines, 0)) for part in (frequencies < hertz, frequencies >= hertz))
    return below[: len(samples)], above[: len(samples)]


@pytest.mark.parametrize("snr", [-5.0, 0.0, 10.0, 25.0])
def test_each_word_stands_out_of_the_noise_by_the_ratio(clips: Path, noise: Path, snr: float) -> None:
    stream = mix(find_clips([clips]), backgrounds=[find_noise([noise])], snr=snr, seed=3)
    assert len(stream.labels) == 12
    words, noises = parted(stream.samples, 5500)
    for label in stream.labels:
        extent = slice(round(label.start * RATE), round(label.end * RATE))
        ratio = np.mean(words[extent] ** 2) / np.mean(noises[extent] ** 2)
        assert 10 * np.log10(ratio) == pytest.approx(snr, abs=0.1)


def test_the_noise_is_at_its_level_and_never_stops(clips: Path, noise: Path) -> None:
    stream = mix(find_clips([clips], ["on"]), backgrounds=[find_noise([noise])], snr=-30, gap=(5, 5), seed=1)
    sound = stream.samples / 32768
    frames = sound[: len(sound) // 400 * 400].reshape(-1, 400)
    levels = 10 * np.log10(np.mean(frames**2, axis=1))
    assert np.median(levels) == pytest.approx(-35, abs=0.2)
    # Crossfades of equal power: where both hums meet in phase or out of phase, they differ by a few decibels at most.
    assert levels[1:].min() > -47
    assert levels.max() < -30


def test_labels_lie_on_the_words(clips: Path) -> None:
    chosen = find_clips([clips])
    stream = mix(chosen, gap=(0.5, 2.0), seed=5)
    start, end = word_extent(soundfile.read(chosen[0].path, dtype="float32")[0])
    assert (start, end) == (BEGIN - 320, END + 320)
    gaps = []
    before = 0.0
    for label in stream.labels:
        first, last = label.start * RATE, label.end * RATE
        assert first == pytest.approx(round(first), abs=1e-6)
        assert last - first == pytest.approx(end - start)
        sound = stream.samples[round(first) : round(last)]
        # A burst of dither alone, then the tone from its first sample to its last, then dither alone.
        assert np.abs(sound[:320]).max() <= 1
        assert np.abs(sound[320:340]).max() > 100
        assert np.abs(sound[-340:-320]).max() > 100
        assert np.abs(sound[-319:]).max() <= 1
        gaps.append(label.start - before)
        before = label.end
    gaps.append(len(stream.samples) / RATE - before)
    assert min(gaps) >= 0.5
    assert max(gaps) <= 2.0
    assert max(gaps) - min(gaps) > 0.5


def test_without_noise_clips_stay_as_loud_as_they_are(clips: Path) -> None:
    stream = mix(find_clips([clips], ["on"]), seed=1)
    peaks = [
        np.abs(stream.samples[round(each.start * RATE) : round(each.end * RATE)]).max() / 32768
        for each in stream.labels
    ]
    assert sorted(peaks, reverse=True) == pytest.approx([0.2 * np.sqrt(2) * 0.8**i for i in range(4)], abs=1e-3)
    quiet = stream.samples[: round(stream.labels[0].start * RATE)]
    assert set(np.unique(quiet)) == {-1, 0, 1}
    assert np.mean(quiet.astype(np.float64) ** 2) == pytest.approx(1 / 4, abs=0.05)


def test_each_clip_once_in_an_order_of_its_own(clips: Path) -> None:
    chosen = find_clips([clips])
    orders = {tuple(label.word for label in mix(chosen, seed=seed).labels) for seed in range(5)}
    assert len(orders) == 5
    for order in orders:
        assert Counter(order) == {"on": 4, "off": 4, "stop": 4}
    few = mix(chosen, count=3, seed=1)
    assert Counter(label.word for label in few.labels) == {"on": 3, "off": 3, "stop": 3}
    assert Counter(label.word for label in mix(chosen, count=9, seed=1).labels)["on"] == 4


def test_the_same_seed_makes_the_same_stream(clips: Path, noise: Path) -> None:
    chosen, backgrounds = find_clips([clips]), [find_noise([noise])]
    one, again, other = (mix(chosen, backgrounds=backgrounds, seed=seed) for seed in (7, 7, 8))
    assert one.labels == again.labels
    np.testing.assert_array_equal(one.samples, again.samples)
    assert one.labels != other.labels


def test_what_would_clip_is_turned_down_as_a_whole(clips: Path, noise: Path) -> None:
    stream = mix(find_clips([clips], ["on"]), backgrounds=[find_noise([noise])], snr=40.0, gap=(0.2, 0.2), seed=0)
    assert np.abs(stream.samples).max() == pytest.approx(32766, abs=2)
    sound = stream.samples[round(stream.labels[0].start * RATE) + 640 : round(stream.labels[0].end * RATE) - 640]
    tone_power, rest = power(sound / 32768, 300, 700), power(sound / 32768, 900, 6000)
    assert rest < 1e-6 * tone_power


def test_neighbours_keep_to_their_half_of_the_gap(tmp_path: Path) -> None:
    # A clip that hums from end to end, with a word in it: next to another, no more of it than half the gap.
    for word in ("on", "off"):
        (tmp_path / word).mkdir()
        clip = tone(word, 1.0, level=0.001)
        clip[BEGIN:END] += tone(word)
        soundfile.write(tmp_path / word / "a.wav", clip, RATE)
    stream = mix(find_clips([tmp_path]), gap=(0.1, 0.1), seed=0)
    first, second = stream.labels
    middle = round((first.end + second.start) / 2 * RATE)
    before, after = (round((first.end - 0.02) * RATE), middle), (middle, round((second.start + 0.02) * RATE))
    for (begin, end), own, other in ((before, first, second), (after, second, first)):
        sound = stream.samples[begin + 100 : end - 100] / 32768
        near = power(sound, PITCHES[own.word] - 250, PITCHES[own.word] + 250)
        far = power(sound, PITCHES[other.word] - 250, PITCHES[other.word] + 250)
        assert near > 100 * far


def test_where_noise_pauses_words_stay_audible(clips: Path, tmp_path: Path) -> None:
    # A knock every two seconds, and nothing between.
    (tmp_path / "knocks").mkdir()
    knocks = np.zeros(10 * RATE)
    for second in range(0, 10, 2):
        knocks[second * RATE : second * RATE + 4000] = tone("stop", 0.25)
    soundfile.write(tmp_path / "knocks" / "a.wav", knocks, RATE)
    stream = mix(find_clips([clips]), backgrounds=[find_noise([tmp_path / "knocks"])], gap=(1.3, 1.3), seed=0)
    levels = []
    for label in stream.labels:
        sound = stream.samples[round(label.start * RATE) : round(label.end * RATE)] / 32768
        levels.append(10 * np.log10(np.mean(sound**2)))
    assert min(levels) == pytest.approx(-40, abs=0.1)
    assert max(levels) > -30


def test_talk_takes_turns_with_the_noise(clips: Path, noise: Path, tmp_path: Path) -> None:
    (tmp_path / "talk").mkdir()
    soundfile.write(tmp_path / "talk" / "a.wav", 0.1 * np.sin(2 * np.pi * 200 * np.arange(3 * RATE) / RATE), RATE)
    backgrounds = [find_noise([noise]), find_noise([tmp_path / "talk"])]
    stream = mix(find_clips([clips]), backgrounds=backgrounds, snr=-20, gap=(10, 10), seed=0)
    talk, hum = power(stream.samples, 100, 300), power(stream.samples, 6900, 7100)
    assert 0.4 < talk / hum < 2.5


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    """Two speakers who hum at 200 Hz, one four times as loud as the other; the transcript of a third says "On"."""
    for number, level in enumerate((0.2, 0.05, 0.1)):
        folder = tmp_path / "talk" / str(number)
        folder.mkdir(parents=True)
        hum = level * np.sin(2 * np.pi * (3000 if number == 2 else 200) * np.arange(3 * RATE) / RATE)
        soundfile.write(folder / f"{number}-0.flac", hum, RATE)
        (folder / f"{number}.trans.txt").write_text(f"{number}-0 {'TURN IT ON' if number == 2 else 'TURN IT'}\n")
    return tmp_path / "talk"


@pytest.mark.parametrize("talk_snr", [5.0, 20.0])
def test_talk_alone_runs_under_words_of_one_level(clips: Path, talk: Path, talk_snr: float) -> None:
    stream = mix(find_clips([clips]), talk=find_talk([talk], ["on"]), talk_snr=talk_snr, seed=2)
    voices, words = parted(stream.samples, 300)
    assert 10 * np.log10(np.mean(voices**2)) == pytest.approx(-35, abs=0.2)
    for label in stream.labels:
        extent = slice(round(label.start * RATE), round(label.end * RATE))
        assert 10 * np.log10(np.mean(words[extent] ** 2)) == pytest.approx(-35 + talk_snr, abs=0.1)


def test_talk_runs_beneath_noise_and_moves_no_word(clips: Path, noise: Path, talk: Path) -> None:
    chosen, backgrounds = find_clips([clips]), [find_noise([noise])]
    without = mix(chosen, backgrounds=backgrounds, snr=10, seed=4)
    stream = mix(chosen, backgrounds=backgrounds, snr=10, talk=find_talk([talk], ["on"]), talk_snr=25, seed=4)
    assert stream.labels == without.labels
    added = (stream.samples.astype(float) - without.samples) / 32768
    # Words are 10 dB above noise of -35 dB, and the talk 25 dB below the words.
    assert 10 * np.log10(np.mean(added**2)) == pytest.approx(-50, abs=0.2)
    assert power(added, 100, 300) > 1000 * power(added, 400, 8000)


def test_recordings_that_say_one_of_the_words_are_no_talk(talk: Path) -> None:
    assert [path.name for path in find_talk([talk], ["on", "off"])] == ["0-0.flac", "1-0.flac"]
    assert len(find_talk([talk], ["off"])) == 3
    with pytest.raises(UsageError, match="talk: every recording has one of the words turn"):
        find_talk([talk], ["turn"])


def test_the_command_mixes_talk(clips: Path, talk: Path, tmp_path: Path) -> None:
    out = tmp_path / "stream.wav"
    assert run(clips, "--talk", talk, "--talk-snr", 12, "--seed", 6, "--out", out) == 0
    expected = mix(find_clips([clips]), talk=find_talk([talk], ["on", "off", "stop"]), talk_snr=12, seed=6)
    np.testing.assert_array_equal(soundfile.read(out, dtype="int16")[0], expected.samples)


def test_clips_and_noise_are_found_by_name(clips: Path, noise: Path) -> None:
    (clips / "_background_noise_").mkdir()
    soundfile.write(clips / "_background_noise_" / "a.wav", np.zeros(100), RATE)
    assert find_clips([clips], ["off"]) == [Clip("off", clips / "off" / f"{i}.wav") for i in range(4)]
    assert [clip.word for clip in find_clips([clips, clips], ["off"])] == ["off"] * 8
    assert [path.name for path in find_noise([noise], ["kind1", "hum2"])] == ["hum1.flac", "hum2.flac"]
    with pytest.raises(UsageError, match=r"^no clips of 'of'; there are off, on, stop$"):
        find_clips([clips], ["of"])
    with pytest.raises(UsageError, match=r"^no noise called 'kind9': name folders or files of"):
        find_noise([noise], ["kind9"])
    with pytest.raises(UsageError, match=r"no clips in folders of words"):
        find_clips([clips / "on"])
    (clips.parent / "empty").mkdir()
    with pytest.raises(UsageError, match="empty: no recordings"):
        find_noise([noise, clips.parent / "empty"])


@pytest.mark.parametrize(("written", "asked"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_names_are_found_as_a_mac_writes_them(
    clips: Path, noise: Path, tmp_path: Path, written: Form, asked: Form
) -> None:
    word, there = "k\N{LATIN SMALL LETTER U WITH DIAERESIS}che", [tmp_path / "clips", tmp_path / "noise"]
    for source, folder in zip((clips / "on", next(noise.rglob("*.flac")).parent), there, strict=True):
        shutil.copytree(source, folder / unicodedata.normalize(written, word))
    options = ["--words", unicodedata.normalize(asked, word), "--noise-only", unicodedata.normalize(asked, word)]
    out = tmp_path / "mix.wav"
    assert main(["mix", *options, "--out", str(out), "--noise", str(there[1]), "--", str(there[0])]) == 0
    assert {label.word for label in read_labels(out.with_suffix(".tsv"))} == {word}


def test_silent_clips_and_silent_noise(clips: Path, tmp_path: Path) -> None:
    (tmp_path / "mute" / "on").mkdir(parents=True)
    soundfile.write(tmp_path / "mute" / "on" / "a.wav", np.zeros(RATE), RATE)
    with pytest.raises(AudioError, match=r"a\.wav: is silent"):
        mix(find_clips([tmp_path / "mute"]))
    with pytest.raises(AudioError, match="the noise is silent"):
        mix(find_clips([clips]), backgrounds=[find_noise([tmp_path / "mute"])])


def run(*arguments: object) -> int:
    return main(["mix", *map(str, arguments)])


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_the_command_writes_sound_and_labels(
    clips: Path, noise: Path, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"stream{suffix}"
    assert (
        run(clips, "--noise", noise, "--words", "on,stop", "--count", 9, "--seed", 4, "--gap", "0.5", "--out", out) == 0
    )
    said, notes = capsys.readouterr()
    assert said == ""
    assert "fewer than 9 clips: on 4, stop 4" in notes
    assert f"with 8 words; labels in {tmp_path / 'stream.tsv'}" in notes
    labels = read_labels(tmp_path / "stream.tsv")
    assert Counter(label.word for label in labels) == {"on": 4, "stop": 4}
    info = soundfile.info(out)
    assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
    assert info.duration == pytest.approx(8 * (labels[0].end - labels[0].start) + 9 * 0.5)
    before = (out.read_bytes(), (tmp_path / "stream.tsv").read_bytes())
    assert (
        run(clips, "--noise", noise, "--words", "on,stop", "--count", 9, "--seed", 4, "--gap", "0.5", "--out", out) == 0
    )
    assert before == (out.read_bytes(), (tmp_path / "stream.tsv").read_bytes())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "s.mp3", "--clean"], "--out s.mp3: the name must end in .wav or .flac"),
        (["--out", "s.wav"], "say what lies under the words: --noise DIR, --speech DIR, --talk DIR or --clean"),
        (["--out", "s.wav", "--clean", "--noise", "n"],
         "--clean asks for no noise; leave out --noise, --speech and --talk"),
        (["--out", "s.wav", "--clean", "--talk", "n"],
         "--clean asks for no noise; leave out --noise, --speech and --talk"),
        (["--out", "s.wav", "--talk", "n", "--talk-snr", "99"], "--talk-snr 99: between -60 and 60 decibels"),
        (["--out", "s.wav", "--clean", "--noise-only", "n"],
         "--noise-only chooses among the recordings of --noise; name a folder there"),
        (["--out", "s.wav", "--clean", "--count", "0"], "--count 0: at least 1"),
        (["--out", "s.wav", "--clean", "--snr", "nan"], "--snr nan: between -60 and 60 decibels"),
        (["--out", "s.wav", "--clean", "--seed", "-1"], "--seed -1: at least 0"),
        (["--out", "s.wav", "--clean", "--gap", "1-3"], "--gap 1-3: give seconds, least and most: 1:3"),
        (["--out", "s.wav", "--clean", "--gap", "3:1"],
         "a gap of 3 to 1 s cannot be; give at least and at most, from 0"),
        (["--out", "s.wav", "--clean", "--words", ", "], "--words names nothing"),
        (["--out", "nowhere/s.wav", "--clean"], "nowhere/s.wav: No such file or directory"),
    ],
)  # fmt: skip
def test_wrong_usage(clips: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(clips, *arguments) == 2
    assert capsys.readouterr().err == f"kws: {message}\n"
