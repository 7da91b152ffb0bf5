from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

import kws
from kws import Detection, KwsError, Spotter, load_model
from kws.enroll.word_file import write_word
from kws.types import Float32Array
from tests.enroll.test_word_file import word_of
from tests.support import ROOT
from tests.support.examples import examples
from tests.support.toy_model import RATE, tone, write_model

SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("tones") / "tones")


@pytest.fixture(scope="session")
def spotter(tones: Path) -> Spotter:
    return Spotter(tones)


def melody(rate: int = RATE) -> Float32Array:
    """On, off, stop and on again, each half a second, with hiss and pauses between."""
    sound = np.random.default_rng(1).normal(0, 1e-3, 6 * RATE).astype(np.float32)
    for place, word in enumerate(("on", "off", "stop", "on")):
        start = round((0.5 + 1.3 * place) * RATE)
        sound[start : start + RATE // 2] += tone(word)
    return sound[:: RATE // rate]


def timeless(detections: Sequence[Detection]) -> list[Detection]:
    """Return the detections without the time of day."""
    return [replace(one, time=SOME_TIME) for one in detections]


def words(detections: Sequence[Detection]) -> list[str]:
    return [one.keyword for one in detections]


def test_the_public_names_are_there() -> None:
    assert set(kws.__all__) <= set(dir(kws))
    assert all(getattr(kws, name) is not None for name in kws.__all__)
    with pytest.raises(AttributeError, match="module 'kws' has no attribute 'Spoter'"):
        kws.Spoter  # noqa: B018


@examples(30)
@given(
    cuts=st.lists(st.integers(0, 6 * RATE), max_size=30), rate=st.sampled_from([16000, 8000]), tail=st.integers(0, 9)
)
def test_streaming_equals_batch_for_any_blocks(spotter: Spotter, cuts: list[int], rate: int, tail: int) -> None:
    sound = melody(rate)[: 6 * rate - tail * rate // 10]
    stream = spotter.stream(rate)
    places = [0, *sorted(min(cut, len(sound)) for cut in cuts), len(sound)]
    found = [one for first, last in pairwise(places) for one in stream.push(sound[first:last])]
    found += stream.finish()
    batch = spotter.spot(sound, rate)
    assert timeless(found) == timeless(batch)
    assert words(batch)[:3] == ["on", "off"] + (["stop"] if rate == 16000 else ["on"])


def test_a_stream_begins_again_once_it_is_finished(spotter: Spotter) -> None:
    stream = spotter.stream(RATE)
    first = stream.push(melody()) + stream.finish()
    assert timeless(stream.push(melody()) + stream.finish()) == timeless(first)


def test_lost_samples_are_a_gap_and_move_what_follows(spotter: Spotter) -> None:
    stream = spotter.stream(RATE)
    stream.push(melody()[: 9000 + 2400])  # the first 0.2 s of "on"
    stream.skip(RATE)
    assert stream.push(melody()[9000 + 2400 :])[0].keyword == "off"  # the rest of "on" is too short for a word
    stream = spotter.stream(RATE)
    stream.skip(60 * RATE)
    moved = stream.push(melody()) + stream.finish()
    ends = [one.end for one in spotter.spot(melody(), RATE)]
    assert [one.end - 60 for one in moved][1:] == pytest.approx(ends[1:])  # the first window after a gap ends after 1 s


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint8, np.float64, ">i2", ">f4"])
def test_samples_of_any_type_are_the_same_sound(spotter: Spotter, kind: Any) -> None:
    dtype = np.dtype(kind)
    scale, offset = {"u": (127, 128), "i": (2.0 ** (8 * dtype.itemsize - 1) - 256, 0), "f": (1, 0)}[dtype.kind]
    samples = (melody() * scale + offset).astype(dtype)
    found, expected = spotter.spot(samples, RATE), spotter.spot(melody(), RATE)
    assert words(found) == words(expected)
    assert [one.end for one in found] == pytest.approx([one.end for one in expected], abs=0.07)


def test_channels_are_mixed_or_chosen(tones: Path, spotter: Spotter) -> None:
    stereo = np.stack((melody(), np.zeros(len(melody()), np.float32)), axis=1)
    assert timeless(spotter.spot(stereo, RATE)) == timeless(spotter.spot(melody() / 2, RATE))
    right = Spotter(tones, settings={"source.channel": 2})
    assert right.spot(stereo, RATE) == []
    assert timeless(right.spot(stereo[:, ::-1], RATE)) == timeless(spotter.spot(melody(), RATE))


def test_no_samples_are_no_detections(spotter: Spotter) -> None:
    assert spotter.spot([], RATE) == spotter.spot(np.zeros((0, 2)), RATE) == []


@pytest.mark.parametrize(
    ("samples", "problem"),
    [
        (np.zeros((2, RATE)), "samples: must be of shape (n,) or (n, channels), not (2, 16000)"),
        (np.zeros((2, 2, 2)), "samples: must be of shape (n,) or (n, channels), not (2, 2, 2)"),
        (0.5, "samples: must be of shape (n,) or (n, channels), not ()"),
        ([1, 2], "samples: must be float32, float64, int16, int32 or uint8, not int64"),
        ([0.0, float("nan")], "samples: the sample at 0.000 s is infinite or not a number"),
    ],
)
def test_what_is_no_sound_is_refused(spotter: Spotter, samples: Any, problem: str) -> None:
    with pytest.raises(KwsError) as caught:
        spotter.spot(samples, RATE)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"threshold": 2}, "threshold: 2 is not within 0.01 to 1"),
        ({"threshold": {"of": 0.5}}, "threshold: 'of' is not a keyword of this model; did you mean 'off'? "),
        ({"sensitivity": "high"}, 'sensitivity: must be a number, not "high"'),
        ({"keywords": ["of"]}, "keywords: 'of' is not a keyword of this model; did you mean 'off'? "),
        ({"words": "night.json"}, "words: must be a list, not 'night.json'"),
        ({"keywords": "on"}, "keywords: must be a list, not 'on'"),
        ({"words": ["night.json"]}, "night.json: No such file or directory"),
        ({"settings": {"mqtt.url": "mqtt://broker"}}, "settings: 'mqtt' is not a table of settings that a Spotter has"),
        ({"settings": {"decision.hopp": 1}}, "decision.hopp: 'hopp' is not a setting; did you mean 'hop'? "),
        ({"settings": {"gate.seconds": 3}}, "gate.wake_words: missing, name the keywords that open the gate"),
        ({"model": "command"}, "command: no such model folder, and none of this name ships"),
    ],
)
def test_a_wrong_argument_is_named(tones: Path, arguments: dict[str, Any], problem: str) -> None:
    with pytest.raises(KwsError) as caught:
        Spotter(**{"model": tones, **arguments})
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_rate_that_no_sound_has_is_refused(spotter: Spotter) -> None:
    with pytest.raises(KwsError, match="rate: no recording has 16 samples per second"):
        spotter.stream(16)


def test_settings_say_what_fires(tones: Path) -> None:
    def found(**arguments: Any) -> list[str]:
        return words(Spotter(tones, **arguments).spot(melody(), RATE))

    assert found() == ["on", "off", "stop", "on"]
    assert found(keywords=["stop", "off"]) == ["off", "stop"]
    assert found(threshold={"on": 1.0}) == ["off", "stop"]
    assert found(threshold=1.0) == found(sensitivity=0.0) == []
    assert found(settings={"gate.wake_words": ["off"], "gate.seconds": 2}) == ["off", "stop"]
    assert found(settings={"source.channel": 1, "decision.hop": "0.1"}) == ["on", "off", "stop", "on"]


def test_a_gate_names_its_wake_word(tones: Path) -> None:
    gated = Spotter(tones, settings={"gate.wake_words": ["off"], "gate.seconds": 2})
    assert [one.wake for one in gated.spot(melody(), RATE)] == [None, "off"]


def test_enrolled_words_are_keywords(tmp_path: Path) -> None:
    model = load_model(ROOT / "models" / "commands-small")
    file = tmp_path / "night.json"
    write_word(file, word_of(model, bias=30.0))  # as good as always
    spotter = Spotter(model, words=[file], keywords=[])
    assert spotter.keywords == ("night",)
    assert set(words(spotter.spot(melody(), RATE))) == {"night"}
    assert Spotter(model, words=[str(file)]).keywords == (*model.description.keywords, "night")


def test_spotters_share_a_model_and_streams_share_nothing_else(tones: Path, spotter: Spotter) -> None:
    model = load_model(tones)
    spotters = [Spotter(model), Spotter(model, keywords=["off"])]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: spotters[number % 2].spot(melody(), RATE), range(8)))
    assert [words(one) for one in found] == [["on", "off", "stop", "on"], ["off"]] * 4
    one, other = spotter.stream(RATE), spotter.stream(RATE)
    pairs = [(one.push(block), other.push(block * 0)) for block in np.split(melody(), 60)]
    assert [word for first, _ in pairs for word in words(first)] == ["on", "off", "stop", "on"]
    assert not any(second for _, second in pairs)


def test_listening_to_a_file_that_is_not_there(spotter: Spotter, tmp_path: Path) -> None:
    with pytest.raises(KwsError, match=r"cannot read .*none.wav: No such file or directory"):
        next(spotter.listen(tmp_path / "none.wav"))


def test_a_file_is_closed_when_its_reader_has_heard_enough(spotter: Spotter, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "melody.wav", melody(), RATE)
    for detection in spotter.listen(tmp_path / "melody.wav"):  # an open file would be a ResourceWarning, an error here
        assert detection.keyword == "on"
        break
