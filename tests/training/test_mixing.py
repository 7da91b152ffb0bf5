"""The places and the labels of words in mixed windows."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from kws.audio.word_extent import levels
from kws.corpus.clips import Recordings
from kws.training.material import Material
from kws.training.mixing import Mixer
from kws.training.recipe import SILENCE_LABEL, UNKNOWN_LABEL, Mix
from kws.types import Float32Array
from tests.support.tone_words import tone


@pytest.fixture(autouse=True)
def few_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mixer begins with a handful of rooms and noises, which take longer to make than all draws of a test."""
    monkeypatch.setattr("kws.training.acoustics._ROOMS", 5)
    monkeypatch.setattr("kws.training.acoustics._HISSES", 5)


PLAIN = Mix(
    unknown=0,
    speech=0,
    silence=0,
    cut=0,
    fragment=0,
    hard=0,
    neighbour=0,
    noise=0,
    room=0,
    speed=0,
    level=(-20.0, -20.0),
    newest=0.4,
)


def recordings(sounds: list[Float32Array]) -> Recordings:
    data = [np.rint(sound * 32767).astype(np.int16) for sound in sounds]
    starts = np.cumsum([0, *(len(sound) for sound in data)])
    flat: npt.NDArray[np.int16] = np.concatenate(data) if data else np.zeros(0, np.int16)
    return Recordings(flat, starts.astype(np.int64), [Path(f"{i}.wav") for i in range(len(data))])


def material() -> Material:
    clips = [np.concatenate([np.zeros(4000, np.float32), tone(pitch, 0.4), np.zeros(5600, np.float32)]) for pitch in
             (500, 1000, 2000)]  # fmt: skip
    words = recordings(clips)
    # Two utterances; there is no transcript of the second.
    speech = recordings([tone(3000, 5.0), tone(3500, 5.0)])
    noise = recordings([np.random.default_rng(0).standard_normal(48000).astype(np.float32) * 0.1])
    return Material(words=words, labels=np.array([1, 2, 3]), speech=speech, sure=np.array([True, False]), noise=noise)


def mixer(mix: Mix, seed: int = 0) -> Mixer:
    return Mixer(material(), mix, labels=4, window=16000, seed=seed)


def pitch(window: Float32Array) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(window))))


def changed(**changes: object) -> Mix:
    return Mix(**{**{name: getattr(PLAIN, name) for name in PLAIN.__struct_fields__}, **changes})


def test_keywords_are_whole_at_every_place_that_is_allowed() -> None:
    draws = mixer(PLAIN)
    ends = []
    for _ in range(300):
        example = draws.draw()
        window, label = example.window, example.label
        assert pitch(window) == pytest.approx({2: 1000, 3: 2000}[label], abs=2)
        loud = np.flatnonzero(np.abs(window) > 0.02)
        assert loud[-1] - loud[0] == pytest.approx(0.4 * 16000, abs=30)
        ends.append(loud[-1] / 16000)
    assert min(ends) >= 0.57
    assert min(ends) < 0.65
    assert max(ends) > 0.95


def test_words_as_they_were_recorded_have_their_own_place_and_level() -> None:
    mix = changed(plain=1.0, unknown=0.5, noise=1.0, room=1.0)
    draws = mixer(mix)
    heard = {example.label: example.window for example in (draws.draw() for _ in range(40))}
    assert set(heard) == {1, 2, 3}
    clips = material()
    for label, window in heard.items():
        [index] = np.flatnonzero(clips.labels == label)
        np.testing.assert_array_equal(window, clips.words[int(index)])


def test_words_as_they_were_recorded_are_moved_as_far_as_is_asked_for() -> None:
    draws = mixer(changed(plain=1.0, unknown=0.5, shift=0.1))
    clips = material()
    offsets = []
    for _ in range(60):
        one = draws.draw()
        [index] = np.flatnonzero(clips.labels == one.label)
        still = clips.words[int(index)]
        offset = int(np.flatnonzero(one.window)[0] - np.flatnonzero(still)[0])
        expected = np.roll(still, offset)
        np.testing.assert_array_equal(one.window, expected)  # silent at both ends, so that nothing wraps
        offsets.append(offset)
    assert max(np.abs(offsets)) <= 1600
    assert min(offsets) < -800 < 800 < max(offsets)


def test_only_the_share_of_words_that_is_asked_for_is_as_recorded() -> None:
    draws = mixer(changed(plain=0.2))
    clips = material()
    as_recorded = [np.array_equal(one.window, clips.words[one.label - 1]) for one in (draws.draw() for _ in range(500))]
    assert np.mean(as_recorded) == pytest.approx(0.2, abs=0.06)


def test_the_level_is_the_words() -> None:
    window = mixer(PLAIN).draw().window
    assert max(levels(window)) == pytest.approx(-20, abs=0.7)


def test_machines_that_beep_are_silence() -> None:
    draws = mixer(changed(silence=1.0, beeps=0.5))
    drawn = [draws.draw() for _ in range(200)]
    assert {example.label for example in drawn} == {SILENCE_LABEL}
    # At the level of words, where noise is heard from next to nothing to a street.
    loud = [max(levels(example.window)) > -24 for example in drawn]
    assert 0.3 < np.mean(loud) < 0.75


def test_the_shares_are_kept() -> None:
    draws = mixer(changed(unknown=0.2, speech=0.1, silence=0.3))
    labels = Counter(draws.draw().label for _ in range(2000))
    assert labels[SILENCE_LABEL] / 2000 == pytest.approx(0.3, abs=0.04)
    assert labels[UNKNOWN_LABEL] / 2000 == pytest.approx(0.3, abs=0.04)
    assert labels[2] / 2000 == pytest.approx(0.2, abs=0.04)


def test_a_word_of_which_much_is_missing_is_unknown() -> None:
    draws = mixer(changed(cut=1.0))
    for _ in range(100):
        example = draws.draw()
        window, label = example.window, example.label
        assert label == UNKNOWN_LABEL
        loud = np.flatnonzero(np.abs(window) > 0.02)
        assert len(loud) == 0 or loud[-1] - loud[0] < 0.7 * 0.4 * 16000


def test_a_fragment_is_half_a_keyword_at_most_beside_speech() -> None:
    draws = mixer(changed(fragment=1.0, level=(0.0, 0.0)))
    for _ in range(50):
        example = draws.draw()
        assert example.label == UNKNOWN_LABEL
        spectrum = np.abs(np.fft.rfft(example.window)) ** 2
        total = spectrum.sum()
        keyword = spectrum[950:1050].sum() + spectrum[1950:2050].sum()
        speech = spectrum[2950:3050].sum() + spectrum[3450:3550].sum()
        assert speech > 0.1 * total
        assert keyword + speech > 0.9 * total
        # Of 0.4 s a half is left, so that the keyword's energy is at most that of 0.2 s of 0.25 s and more.
        assert keyword < 0.75 * total


def test_what_is_taken_for_a_keyword_is_drawn_again() -> None:
    draws = mixer(changed(speech=1.0, hard=1.0))
    first = next(example for example in iter(draws.draw, None) if example.origin >= 0)
    draws.report(np.array([first.origin, -1]), np.array([0.9, 0.9], np.float32))
    for _ in range(300):  # the sums are made again every so often
        draws.draw()
    assert {draws.draw().origin for _ in range(50)} == {first.origin}
    for _ in range(40):  # until it has been learnt
        draws.report(np.array([first.origin]), np.array([0.01], np.float32))
    draws.report(np.array([first.origin + 1]), np.array([0.9], np.float32))
    for _ in range(300):
        draws.draw()
    assert Counter(draws.draw().origin for _ in range(50))[first.origin + 1] >= 49


def test_what_has_no_transcript_is_not_drawn_again() -> None:
    draws = mixer(changed(speech=1.0))
    heard = Counter((round(pitch(example.window), -2), example.origin >= 0) for example in
                    (draws.draw() for _ in range(300)))  # fmt: skip
    assert heard[3000.0, True] > 100
    assert heard[3500.0, False] > 100
    assert heard[3500.0, True] == 0


def test_noise_lies_below_the_word_by_the_ratio() -> None:
    draws = mixer(changed(noise=1.0, snr=(10.0, 10.0)))
    quiet = []
    for _ in range(100):
        window = draws.draw().window
        # The first tenth of a second is before any word.
        quiet.append(10 * np.log10(np.mean(window[:1600] ** 2)))
    assert np.median(quiet) == pytest.approx(-30, abs=1.5)


def test_silence_has_no_word() -> None:
    draws = mixer(changed(silence=1.0))
    for _ in range(50):
        example = draws.draw()
        window, label = example.window, example.label
        assert label == SILENCE_LABEL
        spectrum = np.abs(np.fft.rfft(window))
        for tone_at in (500, 1000, 2000):
            assert spectrum[tone_at] < 10 * np.median(spectrum[tone_at - 50 : tone_at + 50]) + 1e-2


def test_the_same_seed_draws_the_same() -> None:
    mix = Mix()
    first, second, other = mixer(mix, 5), mixer(mix, 5), mixer(mix, 6)
    for _ in range(20):
        example, same, different = first.draw(), second.draw(), other.draw()
        assert (example.label, example.origin) == (same.label, same.origin)
        assert np.array_equal(example.window, same.window)
        assert not np.array_equal(example.window, different.window)
        assert np.abs(example.window).max() <= 1.0


def band(window: Float32Array, hertz: float) -> float:
    """The level of a tone in a window, in decibels."""
    spectrum = np.abs(np.fft.rfft(window * np.hanning(len(window)))) ** 2
    return float(10 * np.log10(spectrum[round(hertz) - 5 : round(hertz) + 6].sum() + 1e-12))


def test_talk_lies_under_words_as_far_below_as_is_asked_for() -> None:
    """Measured where no word is."""
    draws = mixer(changed(talk=1.0, talk_snr=(15.0, 15.0), newest=0.0))
    for _ in range(60):
        example = draws.draw()
        assert not example.taught
        # The word takes the newest 0.4 s, at -20 dB; before it there is nothing but talk.
        before = example.window[:8000].astype(np.float64)
        assert 10 * np.log10(np.mean(before**2)) == pytest.approx(-35, abs=0.5)
        assert band(example.window, {2: 1000, 3: 2000}[example.label]) > max(
            band(example.window, 3000), band(example.window, 3500)
        )


@pytest.mark.parametrize("mix", [changed(plain=1.0, unknown=0.5), changed(silence=1.0, beeps=1.0)])
def test_words_as_they_were_recorded_and_beeps_have_no_talk(mix: Mix) -> None:
    without = mixer(mix)
    draws = mixer(Mix(**{**{name: getattr(mix, name) for name in mix.__struct_fields__}, "talk": 1.0}))
    for _ in range(20):
        np.testing.assert_array_equal(draws.draw().window, without.draw().window)


def test_a_keyword_amid_speech_of_its_own_level_is_an_unknown_word() -> None:
    draws = mixer(changed(sentence=1.0))
    before = 0
    for _ in range(100):
        example = draws.draw()
        assert (example.label, example.taught) == (UNKNOWN_LABEL, False)
        word = np.abs(example.window)
        pitches = {hertz: band(example.window, hertz) for hertz in (500, 1000, 2000)}
        assert max(pitches[1000], pitches[2000]) > pitches[500] + 30
        voice = max(band(example.window, 3000), band(example.window, 3500))
        assert voice > 5
        before += bool(word[:400].max() > 0.03)
    assert 60 < before < 95  # of 100, three in four


def other_words() -> Material:
    """The clip of 500 Hz is of another word with a label of its own; one more has none."""
    plain = material()
    words = recordings([*(plain.words[i] for i in range(3)), plain.words[0][::-1].copy()])
    return Material(words=words, labels=np.array([4, 2, 3, 1]), speech=plain.speech, sure=plain.sure, noise=plain.noise)


def test_other_words_that_are_told_apart_have_labels_beyond_the_keywords() -> None:
    draws = Mixer(other_words(), changed(unknown=1.0, plain=1.0), labels=4, window=16000, seed=0)
    drawn = Counter((one.origin, one.label, one.taught) for one in (draws.draw() for _ in range(400)))
    assert set(drawn) == {(0, 4, False), (3, 1, False)}
    # Half are drawn by word (there is one), half by clip (there are two).
    assert drawn[0, 4, False] == pytest.approx(300, abs=30)


def test_an_other_word_of_which_a_third_is_cut_off_is_just_unknown() -> None:
    draws = Mixer(other_words(), changed(unknown=1.0), labels=4, window=16000, seed=0)
    labels = set()
    for _ in range(200):
        example = draws.draw()
        if example.origin == 0 and example.label == 4:
            loud = np.flatnonzero(np.abs(example.window) > 0.02)
            assert loud[-1] - loud[0] >= 0.6 * 0.4 * 16000
        labels.add((example.origin, example.label))
    assert labels == {(0, 4), (0, 1), (3, 1)}


def test_keywords_are_not_drawn_from_other_words() -> None:
    draws = Mixer(other_words(), PLAIN, labels=4, window=16000, seed=0)
    assert {draws.draw().label for _ in range(50)} == {2, 3}
