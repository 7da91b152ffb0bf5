from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.decision import Decision, DecisionSettings, Fired, GateSettings, KeywordSettings, NearMiss, Reason, resolve
from kws.decision.recommended import recommended
from kws.errors import UsageError
from kws.features.front_end import FrontEnd
from kws.inference.model import MODEL_FILE, Model
from kws.pipeline.pipeline import Pipeline, Scored, Step, hear, score
from kws.types import SILENCE, UNKNOWN, AudioBlock, Float32Array
from tests.support.blocks_source import BlocksSource
from tests.support.examples import examples
from tests.support.paced_source import Recorder
from tests.support.sounds import tone

HOP = 800
ON, OFF, OTHER = 1000, 3000, 5000  # hertz

#: Magnitudes of 50 ms frames without overlap; 1 kHz is bin 64.
FRONT_END = FrontEnd(
    frame_length=800, frame_step=800, fft_length=1024, mel_bins=0, log_offset=0.0, image=(20, 513)
)  # fmt: skip


class Whistles:
    """Stands for a model: 1 kHz is "on", 3 kHz "off" and 5 kHz other words, the more of half a second the likelier."""

    name = "whistles"
    labels = (SILENCE, UNKNOWN, "on", "off")
    front_end = FRONT_END
    description = SimpleNamespace(keywords=("on", "off"))

    def posteriors(self, columns: Float32Array) -> Float32Array:
        # A tone of amplitude 0.5 has the magnitude 0.5 / 2 * 400 in its bin.
        on, off, other = (np.minimum(columns[10:, hertz * 1024 // 16000] / 100, 1).mean() for hertz in (ON, OFF, OTHER))
        return np.array([max(0, 1 - on - off - other), other, on, off], np.float32)


def make_pipeline(
    gate: GateSettings | None = None, *, skip_silence: bool = False, skip_calm: bool = False, **keyword: Any
) -> Pipeline:
    model: Any = Whistles()
    one = KeywordSettings(**{"threshold": 0.75, "release": 0.45, "near": 0.6, "smoothing": 0.05} | keyword)
    decision = DecisionSettings(hop=HOP / 16000, keywords={"on": one, "off": one}, gate=gate)
    return Pipeline(model, decision, skip_silence=skip_silence, skip_calm=skip_calm)


def quiet(seconds: float, rate: int = 16000) -> Float32Array:
    return np.zeros(round(seconds * rate), np.float32)


def whistle(hertz: float = ON, seconds: float = 0.5, amplitude: float = 0.5, rate: int = 16000) -> Float32Array:
    return tone(hertz, rate, seconds, amplitude)


def cut(sound: Float32Array, cuts: Sequence[int], position: int = 0) -> list[AudioBlock]:
    places = [0, *sorted(min(place, len(sound)) for place in cuts), len(sound)]
    return [AudioBlock(sound[first:last], position + first) for first, last in pairwise(places)]


def heard(pipeline: Pipeline, *blocks: AudioBlock, rate: int = 16000) -> tuple[list[Fired], list[NearMiss]]:
    decisions = [step.decision for step in pipeline.run(BlocksSource(*blocks, rate=rate))]
    fired = [fired for decision in decisions for fired in decision.fired]
    return fired, [miss for decision in decisions for miss in decision.near_misses]


def windows(steps: Iterable[Step]) -> list[Scored]:
    return [step.scored for step in steps if step.scored]


def words(fired: Sequence[Fired]) -> list[tuple[str, float]]:
    return [(one.keyword, one.end / 16000) for one in fired]


def test_keywords_come_out_where_they_were_said() -> None:
    sound = np.concatenate((quiet(1), whistle(ON), quiet(1), whistle(OFF), quiet(1)))
    fired, misses = heard(make_pipeline(), AudioBlock(sound, 0))
    # The first window of which eight of the last ten frames hold the tone ends 0.4 s after its beginning.
    assert words(fired) == [("on", 1.4), ("off", 2.9)]
    assert [one.score for one in fired] == pytest.approx([0.8, 0.8], abs=0.02)
    assert not misses


def test_every_window_is_told_with_its_level() -> None:
    sound = np.concatenate((quiet(1), whistle(seconds=0.5)))
    scored = windows(make_pipeline().run(BlocksSource(AudioBlock(sound, 0))))
    assert [window.end for window in scored] == list(range(0, 24000 + 16000 + 1, HOP))
    assert [window.fresh for window in scored] == [True] + [False] * (len(scored) - 1)
    assert scored[20].level == -120
    assert scored[25].level == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.01)
    assert scored[28].posteriors == pytest.approx([0.2, 0, 0.8, 0], abs=0.02)
    assert scored[28].posteriors.dtype == np.float32


@pytest.mark.parametrize("before", [0.0, 0.2, 0.49])
def test_a_recording_that_is_shorter_than_a_window(before: float) -> None:
    sound = np.concatenate((quiet(before), whistle(seconds=0.5)))
    fired, _ = heard(make_pipeline(), AudioBlock(sound, 0))
    assert [word for word, _ in words(fired)] == ["on"]
    assert len(sound) < 16000


def test_a_single_sample() -> None:
    results = make_pipeline().run(BlocksSource(AudioBlock(np.ones(1, np.float32), 0)))
    assert [scored.end for scored in windows(results)] == list(range(0, 16001, HOP))


def test_a_word_in_the_last_moments_is_decided_like_any_other() -> None:
    sound = np.concatenate((quiet(1), whistle(seconds=0.41)))
    fired, _ = heard(make_pipeline(patience=3), AudioBlock(sound, 0))
    assert words(fired) == words(heard(make_pipeline(patience=3), AudioBlock(np.append(sound, quiet(2)), 0))[0])
    assert fired[0].end > len(sound)


def test_nothing_is_heard_across_a_gap() -> None:
    # What two thirds of a second would make a word lies on both sides of a gap; so does a whole word after it.
    half = whistle(seconds=0.3)
    before = AudioBlock(np.concatenate((quiet(1), half)), 0)
    joined = AudioBlock(np.concatenate((half, quiet(1))), before.end)
    apart = AudioBlock(joined.samples, before.end + 1)
    assert words(heard(make_pipeline(), before, joined)[0]) == [("on", 1.4)]
    assert heard(make_pipeline(), before, apart)[0] == []
    later = AudioBlock(np.concatenate((quiet(0.6), whistle(), quiet(1))), before.end + 4000)
    results = list(make_pipeline().run(BlocksSource(before, later)))
    assert [scored.end for scored in windows(results) if scored.fresh] == [0, later.position + 16000]
    fired = [fired for step in results for fired in step.decision.fired]
    assert words(fired) == [("on", (later.position + 16000) / 16000)]


@pytest.mark.parametrize("rate", [16000, 44100, 8000])
@examples(12)
@given(data=st.data())
def test_how_the_sound_is_cut_changes_nothing(rate: int, data: st.DataObject) -> None:
    on, off, half = whistle(rate=rate), whistle(OFF, rate=rate), whistle(seconds=0.3, rate=rate)
    sound = np.concatenate((quiet(0.8, rate), on, quiet(0.7, rate), off, half))
    cuts = data.draw(st.lists(st.integers(0, len(sound)), max_size=30))
    gap = data.draw(st.sampled_from([0, 5, rate]))

    def run(*blocks: AudioBlock) -> list[tuple[object, ...]]:
        results = make_pipeline().run(BlocksSource(*blocks, rate=rate))
        return [
            (step.scored and (step.scored.end, step.scored.posteriors.tolist(), step.scored.silent), step.decision)
            for step in results
        ]

    second = 2 * len(sound) + gap
    whole = run(AudioBlock(sound, 0), AudioBlock(sound, len(sound)), AudioBlock(sound, second))
    assert whole == run(*cut(sound, cuts), *cut(sound, cuts, len(sound)), *cut(sound, cuts, second))


def test_a_near_miss_is_told_when_it_is_over() -> None:
    sound = np.concatenate((quiet(1), whistle(amplitude=0.33), quiet(1)))
    results = list(make_pipeline().run(BlocksSource(AudioBlock(sound, 0))))
    [(scored, miss)] = [(step.scored, miss) for step in results for miss in step.decision.near_misses]
    assert (miss.keyword, miss.reason, miss.end) == ("on", Reason.BELOW_THRESHOLD, 24000)
    assert miss.score == pytest.approx(0.66, abs=0.02)
    assert scored
    assert scored.end > miss.end


def test_what_is_under_way_when_the_stream_ends_is_told_by_a_step_of_its_own() -> None:
    # An average over so long is still high after the second of silence that ends the stream.
    pipeline = make_pipeline(smoothing=1.5, threshold=0.75, release=0.1, near=0.15)
    sound = np.concatenate((quiet(1), whistle(), quiet(0.1)))
    *results, end = pipeline.run(BlocksSource(AudioBlock(sound, 0)))
    assert len(windows(results)) == len(results)
    assert end.scored is None
    assert [miss.keyword for miss in end.decision.near_misses] == ["on"]
    assert not any(step.decision for step in results)
    assert windows(pipeline.run(BlocksSource(AudioBlock(quiet(1), 0))))[-1].end == 32000  # it can be opened again


def test_what_is_under_way_at_a_gap_is_told_with_the_first_window_after_it() -> None:
    before = AudioBlock(np.concatenate((quiet(1), whistle(amplitude=0.33))), 0)
    after = AudioBlock(quiet(1.5), before.end + 1000)
    results = list(make_pipeline().run(BlocksSource(before, after)))
    [(scored, miss)] = [(step.scored, miss) for step in results for miss in step.decision.near_misses]
    assert scored
    assert scored.fresh
    assert (scored.end, miss.end) == (after.position + 16000, before.end)


def test_a_stream_without_blocks_is_two_seconds_of_silence() -> None:
    results = list(make_pipeline().run(BlocksSource()))
    assert [scored.end for scored in windows(results)] == list(range(0, 16001, HOP))
    assert not any(step.decision for step in results)


def test_a_stream_that_is_opened_forgets_the_one_before() -> None:
    pipeline = make_pipeline()
    pipeline.open(16000)
    before = [*pipeline.push(AudioBlock(np.concatenate((quiet(1), whistle(seconds=0.3))), 0))]
    pipeline.open(8000)
    again = [step for block in cut(whistle(seconds=0.3, rate=8000), [999]) for step in pipeline.push(block)]
    again += pipeline.finish()
    assert not any(step.decision for step in (*before, *again))
    assert windows(again)[0].fresh


def test_a_source_lies_between_two_seconds_of_silence() -> None:
    model: Any = Whistles()
    blocks = list(hear(BlocksSource(AudioBlock(np.ones(100, np.float32), 0)), model))
    assert [(block.position, len(block.samples)) for block in blocks] == [(-16000, 16000), (0, 100), (100, 16000)]
    assert not any(block.samples.any() for block in blocks[::2])


def test_a_detection_is_in_seconds_with_the_time_of_day() -> None:
    before = datetime.now(UTC)
    detection = make_pipeline().detection(Fired(keyword="on", score=0.9, start=8000, end=24000, wake="off"))
    assert before <= detection.time <= datetime.now(UTC)
    assert (detection.start, detection.end) == (0.5, 1.5)
    assert (detection.keyword, detection.score, detection.model, detection.wake) == ("on", 0.9, "whistles", "off")


@pytest.mark.parametrize("amplitude", [0.5, 0.45])
@pytest.mark.parametrize("skip_silence", [False, True])
def test_the_level_of_a_detection_is_that_of_the_loudest_hop_of_its_word(amplitude: float, skip_silence: bool) -> None:
    """Louder sound before and after it does not count."""
    loud = whistle(OTHER, 0.2, amplitude=0.9)
    word = whistle(amplitude=amplitude)
    pipeline = make_pipeline(skip_silence=skip_silence)
    found = []
    for block in cut(np.concatenate((loud, quiet(2), word, quiet(2), loud)), range(0, 100_000, 160)):
        found += [pipeline.detection(fired) for step in pipeline.push(block) for fired in step.decision.fired]
    assert [round(one.level, 2) for one in found] == [round(20 * np.log10(amplitude / np.sqrt(2)), 2)]


def test_a_gate_counts_in_the_time_of_the_sound() -> None:
    gate = GateSettings(wake_words=("off",), seconds=2)
    sound = np.concatenate((quiet(1), whistle(), quiet(1), whistle(OFF), quiet(1), whistle(), quiet(2), whistle()))
    fired, misses = heard(make_pipeline(gate), AudioBlock(sound, 0))
    assert [(one.keyword, one.end / 16000, one.wake) for one in fired] == [("off", 2.9, None), ("on", 4.4, "off")]
    assert [(miss.keyword, miss.reason) for miss in misses] == [("on", Reason.GATE_CLOSED)] * 2


def test_a_hop_that_does_not_fit_is_refused_before_anything_is_heard() -> None:
    model: Any = Whistles()
    keywords = dict.fromkeys(("on", "off"), KeywordSettings())
    with pytest.raises(UsageError, match=r"a hop of 0\.06 s is no multiple of the front-end's step of 0\.05 s"):
        Pipeline(model, DecisionSettings(hop=0.06, keywords=keywords))


def test_the_real_model_hears_the_same_however_the_sound_is_cut(model_folder: Path) -> None:
    model = Model(model_folder)
    hop = 3 * model.front_end.frame_step
    rng = np.random.default_rng(3)
    sound = rng.standard_normal(32000, np.float32) * np.float32(0.05)

    def posteriors(size: int) -> list[tuple[int, list[float]]]:
        blocks = cut(sound, range(size, len(sound), size))
        scored: Iterator[Scored] = score(model, hop, blocks)
        return [(one.end, one.posteriors.tolist()) for one in scored]

    whole = posteriors(len(sound))
    assert [end for end, _ in whole] == list(range(16000, 32001, hop))
    assert whole == posteriors(333) == posteriors(1)


def test_a_window_takes_no_more_calls_than_it_did(model_folder: Path) -> None:
    # What Python does is most of what listening costs. Unlike time, calls are the same on every machine, so work that
    # is added to each window is seen. If it has to be, raise the number.
    model = Model(model_folder)
    pipeline = Pipeline(model, resolve(model.labels, {MODEL_FILE: recommended(model.description)}))
    hop = round(pipeline.settings.hop * 16000)
    sound = np.random.default_rng(0).standard_normal(300 * hop, np.float32) * np.float32(0.05)
    calls = 0

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    pipeline.open(16000)
    for number, block in enumerate(cut(sound, range(hop, len(sound), hop))):
        sys.setprofile(count if number >= 200 else None)
        for _ in pipeline.push(block):
            pass
    sys.setprofile(None)
    assert 60 < calls / 100 < 115


# Silence that is passed over.


def room(seconds: float, seed: int = 5) -> Float32Array:
    """The noise floor of a room."""
    noise: Float32Array = np.random.default_rng(seed).standard_normal(round(seconds * 16000), np.float32)
    return noise * np.float32(0.001)


def lay_words(sound: Float32Array, place: int, parts: Iterable[tuple[float, int, float, float]]) -> None:
    """Add whistles to a sound from a sample on: seconds before each, hertz, seconds and amplitude."""
    for before, hertz, seconds, amplitude in parts:
        place += round(before * 16000)
        word = whistle(hertz, seconds, amplitude)
        sound[place : place + len(word)] += word
        place += len(word)


def told(pipeline: Pipeline, *blocks: AudioBlock) -> tuple[list[Decision], list[Scored]]:
    steps = list(pipeline.run(BlocksSource(*blocks)))
    return [step.decision for step in steps if step.decision], windows(steps)


@examples(25)
@given(
    parts=st.lists(
        st.tuples(st.floats(0, 9), st.sampled_from([ON, OFF, OTHER]), st.floats(0.2, 0.7), st.floats(0.005, 0.5)),
        min_size=1, max_size=3,
    ),
    cuts=st.lists(st.integers(0, 400_000), max_size=6),
    smoothing=st.sampled_from([0.05, 0.1, 0.25]),
    quiet_before=st.sampled_from([0.0, 0.3]),
    speech=st.sampled_from([(0.0, 120.0), (0.5, 120.0), (0.5, 6.0)]),
)  # fmt: skip
def test_nothing_changes_where_silence_is_passed_over(
    parts: list[tuple[float, int, float, float]],
    cuts: list[int],
    smoothing: float,
    quiet_before: float,
    speech: tuple[float, float],
) -> None:
    sound = room(7 + sum(before + 3 for before, *_ in parts))
    lay_words(sound, 6 * 16000, parts)

    def pipeline(*, skip_silence: bool) -> Pipeline:
        return make_pipeline(
            skip_silence=skip_silence,
            smoothing=smoothing,
            quiet_before=quiet_before,
            speech_before=speech[0],
            speech_margin=speech[1],
            near=0.5,
        )

    every, _ = told(pipeline(skip_silence=False), AudioBlock(sound, 0))
    skipping, scored = told(pipeline(skip_silence=True), *cut(sound, cuts))
    assert skipping == every
    assert any(window.skipped for window in scored)


def test_windows_that_are_passed_over_are_told_with_their_own_level_and_the_last_posteriors() -> None:
    sound = room(12)
    _, every = told(make_pipeline(), AudioBlock(sound, 0))
    _, skipping = told(make_pipeline(skip_silence=True), AudioBlock(sound, 0))
    assert [(one.end, one.level, one.fresh, one.silent) for one in skipping] == [
        (one.end, one.level, one.fresh, one.silent) for one in every
    ]
    last = skipping[0]
    for one in skipping:
        assert np.array_equal(one.posteriors, last.posteriors) or not one.skipped
        last = last if one.skipped else one
    # Asked are those until the floor is known, after five seconds, and one every four seconds;
    # what comes after the sound is not looked at here.
    assert "".join(".#"[not one.skipped] for one in skipping[:241]) == ("#" * 100 + "." * 80 + "#" + "." * 60)


def test_a_lower_threshold_is_asked_about_at_once() -> None:
    pipeline = make_pipeline(skip_silence=True)
    asked = []
    for window, step in enumerate(pipeline.run(BlocksSource(AudioBlock(room(12), 0)))):
        assert step.scored
        if window == 220:
            assert step.scored.skipped
            pipeline.set_threshold("on", 0.5)
        asked.append(not step.scored.skipped)
    assert asked[221]


def test_a_gap_in_silence_begins_a_new_segment() -> None:
    pipeline = make_pipeline(skip_silence=True)
    _, scored = told(pipeline, AudioBlock(room(8), 0), AudioBlock(room(8), 200_000))
    [again] = [place for place, one in enumerate(scored) if one.fresh and place]
    assert scored[again - 1].skipped
    assert not any(one.skipped for one in scored[again : again + 100])  # five seconds
    assert any(one.skipped for one in scored[again + 100 :])


def told_live(
    monkeypatch: pytest.MonkeyPatch, pipeline: Pipeline, recorder: Recorder, sound: Float32Array, *, rests: bool = True
) -> list[float]:
    """Return when each word is detected, in seconds after the beginning of the sound, by the recorder's clock.

    Without rests, sound is taken as it comes.
    """
    monkeypatch.setattr("kws.pipeline.silence.monotonic", recorder.clock)
    pipeline.open(16000)
    times = []
    for block in recorder.blocks(sound):
        times += [recorder.now - 100.0 for step in pipeline.push(block) for _ in step.decision.fired]
        if rests and pipeline.pause_seconds:
            recorder.sleep(pipeline.pause_seconds)
    return times


@pytest.mark.parametrize("whole", [True, False])
def test_live_sound_is_called_for_less_often_in_silence_and_no_word_is_told_later(
    monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    sound = room(30)
    for begin in (12.0, 12.9, 20.03):
        place = round(begin * 16000)
        sound[place : place + 8000] += whistle(ON)

    recorder = Recorder(0.05, whole=whole)
    times = told_live(monkeypatch, make_pipeline(), recorder, sound)
    assert len(times) == 3
    assert not recorder.rests
    rested = Recorder(0.05, whole=whole)
    rested_times = told_live(monkeypatch, make_pipeline(skip_silence=True), rested, sound)
    assert rested_times == pytest.approx(times)
    assert rested.wakes < 0.7 * recorder.wakes
    # It pauses once the floor is known, but neither while somebody speaks a word nor in the windows that hold it.
    assert not any(12.25 < rest < 14.4 or 20.3 < rest < 21.5 for rest in rested.rests)
    assert min(rested.rests) > 4.9
    assert any(14.4 < rest < 15.0 for rest in rested.rests)


@examples(25)
@given(
    parts=st.lists(
        st.tuples(st.floats(0, 3), st.sampled_from([ON, OFF, OTHER]), st.floats(0.3, 0.7), st.floats(0.05, 0.5)),
        min_size=1, max_size=3,
    ),
    cuts=st.lists(st.integers(0, 200_000), max_size=6),
    keyword=st.builds(
        dict, smoothing=st.sampled_from([0.15, 0.25, 0.5]), speech_margin=st.sampled_from([6.0, 120.0])
    ),
    skip_silence=st.booleans(),
    noise=st.sampled_from([1, 100]),  # the louder one is no silence
)  # fmt: skip
def test_where_no_keyword_is_near_windows_are_spared_and_nothing_is_missed(
    parts: list[tuple[float, int, float, float]],
    cuts: list[int],
    keyword: dict[str, Any],
    skip_silence: bool,
    noise: int,
) -> None:
    sound = room(9 + sum(before + 3 for before, *_ in parts)) * noise
    lay_words(sound, 7 * 16000, parts)

    every, all_scored = told(make_pipeline(speech_before=0.5, **keyword), AudioBlock(sound, 0))
    sparing = make_pipeline(skip_calm=True, skip_silence=skip_silence, speech_before=0.5, **keyword)
    told_sparing, scored = told(sparing, *cut(sound, cuts))
    expected, fired = ([one for decision in each for one in decision.fired] for each in (every, told_sparing))
    assert fired == expected
    assert [(one.end, one.level, one.silent) for one in scored] == [
        (one.end, one.level, one.silent) for one in all_scored
    ]
    assert any(one.skipped for one in scored)
    # Amended windows had been skipped, come once each, and have the posteriors of a run that scores every window.
    amended = {one.end - ago * HOP: posteriors for one in scored for ago, posteriors in one.amended}
    assert len(amended) == sum(len(one.amended) for one in scored)
    assert amended.keys() <= {one.end for one in scored if one.skipped}
    assert all(np.array_equal(amended.get(one.end, one.posteriors), one.posteriors) for one in all_scored)


def test_in_silence_the_network_sees_one_window_in_four_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = make_pipeline(skip_silence=True, skip_calm=True, smoothing=0.25)
    posteriors, asked = pipeline.model.posteriors, 0

    def count(columns: Float32Array) -> Float32Array:
        nonlocal asked
        asked += 1
        return posteriors(columns)

    monkeypatch.setattr(pipeline.model, "posteriors", count)
    for step in pipeline.run(BlocksSource(AudioBlock(room(40), 0))):
        if step.scored and step.scored.end == 8 * 16000:  # by now the floor is known
            asked = 0
        if step.scored and step.scored.end == 40 * 16000:
            break
    assert asked == 8


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("block", [0.01, 0.05])
@pytest.mark.parametrize("skip_calm", [True, False])
def test_live_sound_is_called_for_less_often_while_no_keyword_may_fire_and_no_word_is_told_later(
    monkeypatch: pytest.MonkeyPatch, block: float, whole: bool, skip_calm: bool
) -> None:
    sound = room(20) * 100
    for begin in (2.0, 4.7, 11.03):
        place = round(begin * 16000)
        sound[place : place + 8000] += whistle(ON)

    times = told_live(monkeypatch, make_pipeline(smoothing=0.25), Recorder(block), sound, rests=False)
    assert len(times) == 3
    recorder = Recorder(block, whole=whole)
    pipeline = make_pipeline(smoothing=0.25, skip_calm=skip_calm)
    assert told_live(monkeypatch, pipeline, recorder, sound) == pytest.approx(times, abs=0.005)
    assert recorder.wakes < 0.5 * 20 / 0.05  # windows


def test_while_a_keyword_may_fire_each_window_is_taken_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = room(8) * 100
    sound[48_000:56_000] += whistle(ON)  # from 3.0 s to 3.5 s
    recorder = Recorder(0.05)
    pipeline = make_pipeline(smoothing=0.25)
    [time] = told_live(monkeypatch, pipeline, recorder, sound)
    # Half a second after its beginning the posterior is up. Once it has fired, nothing is urgent, though it is near.
    rests = np.array(recorder.rests)
    assert not ((rests > 3.5) & (rests < time - 0.01)).any()
    assert ((rests > time) & (rests < time + 0.3)).any()
