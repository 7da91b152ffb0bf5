"""The sweep of one keyword against the whole decision layer, at every threshold, on posteriors of every shape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kws.decision import DecisionSettings, KeywordSettings
from kws.evaluation.posterior_cache import PosteriorCache
from kws.evaluation.sweep import THRESHOLDS, KeywordSweep
from kws.types import SILENCE, UNKNOWN, Float32Array
from tests.support.examples import examples

LABELS = (SILENCE, UNKNOWN, "on", "off")
WINDOW = 16000


@st.composite
def posteriors(draw: st.DrawFn) -> Float32Array:
    """Posteriors ``(windows, labels)`` in sixteenths that stay what they are for some windows, as words do."""
    rows: list[list[float]] = []
    for _ in range(draw(st.integers(1, 20))):
        on = draw(st.integers(0, 16))
        off = draw(st.integers(0, 16 - on))
        unknown = draw(st.sampled_from([0, 16 - on - off]))
        rows += [[(16 - on - off - unknown) / 16, unknown / 16, on / 16, off / 16]] * draw(st.integers(1, 6))
    return np.array(rows, np.float32)


windows = st.integers(0, 6).map(lambda count: count * 0.05)


@st.composite
def keyword_settings(draw: st.DrawFn) -> KeywordSettings:
    threshold = draw(st.integers(2, 16)) / 16
    release = draw(st.integers(1, round(threshold * 16))) / 16
    return KeywordSettings(
        threshold=threshold,
        release=release,
        near=threshold,
        smoothing=draw(st.integers(1, 4)) * 0.05,
        patience=draw(st.integers(1, 3)),
        refractory=draw(st.integers(0, 12)) * 0.05,
        length=draw(st.sampled_from([0.05, 0.2, 1.0])),
        quiet_before=draw(windows | st.just(0.0)),
        quiet_after=draw(windows | st.just(0.0)),
        speech_before=draw(st.sampled_from([0.0, 0.3, 1.0])),
        speech_margin=draw(st.sampled_from([8.0, 120.0])),
        score_scale=draw(st.sampled_from([(0.5, 0.9), (0.3, 0.7)])),
    )


def decided(cache: PosteriorCache, chosen: DecisionSettings, keyword: str) -> list[tuple[float, float]]:
    """Return the times and scores at which the whole decision layer fires a keyword."""
    fired = [fired for decision in cache.decide(chosen) for fired in decision.fired if fired.keyword == keyword]
    return [(each.end / 16000, each.score) for each in fired]


@given(data=st.data())
@examples(400)
def test_it_fires_where_the_decider_does(data: st.DataObject) -> None:
    rows = data.draw(posteriors())
    levels = data.draw(st.lists(st.sampled_from([-60.0, -40.0, -20.0]), min_size=len(rows), max_size=len(rows)))
    cache = PosteriorCache(LABELS, rows, levels=levels)
    keywords = {"on": data.draw(keyword_settings()), "off": data.draw(keyword_settings())}
    chosen = DecisionSettings(keywords=keywords)
    sweep = KeywordSweep(cache, "on", chosen)
    for threshold in (None, *data.draw(st.lists(st.sampled_from(THRESHOLDS), min_size=1, max_size=4))):
        expected = chosen if threshold is None else chosen.with_threshold("on", threshold)
        assert sweep.fires(threshold) == decided(cache, expected, "on")


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.81, 0.999])
def test_long_random_streams(threshold: float) -> None:
    rng = np.random.default_rng(3)
    walk = np.cumsum(rng.normal(0, 0.6, (6000, 4)), axis=0)
    walk -= np.stack([np.convolve(walk[:, i], np.ones(200) / 200, "same") for i in range(4)], axis=1)
    rows = (np.exp(walk) / np.exp(walk).sum(axis=1, keepdims=True)).astype(np.float32)
    cache = PosteriorCache(LABELS, rows, levels=rng.uniform(-60, -20, len(rows)).tolist())
    plain = KeywordSettings()
    keywords = {
        "on": plain,
        "off": plain.override(quiet_before=0.1, quiet_after=0.05, refractory=0.1, patience=2, speech_before=0.4),
    }
    chosen = DecisionSettings(keywords=keywords)
    for keyword in keywords:
        fires = KeywordSweep(cache, keyword, chosen).fires(threshold)
        assert fires == decided(cache, chosen.with_threshold(keyword, threshold), keyword)
        assert len(fires) > 20 or threshold == 0.999


def test_it_takes_the_settings_as_they_are() -> None:
    # A release that is no longer in the proportion in which the threshold would take it along.
    rows = np.array([[1 - x / 8, 0, x / 8, 0] for x in (0, 7, 7, 3, 7, 7, 0)], np.float32)
    keyword = KeywordSettings(threshold=0.75, release=0.5, near=0.75, smoothing=0.05, refractory=0.0)
    low = replace(keyword, release=0.25, near=0.75)
    chosen = DecisionSettings(keywords={"on": keyword, "off": low})
    assert len(KeywordSweep(PosteriorCache(LABELS, rows), "on", chosen).fires()) == 2
    chosen = DecisionSettings(keywords={"on": low, "off": low})
    assert len(KeywordSweep(PosteriorCache(LABELS, rows), "on", chosen).fires()) == 1


def test_thresholds_are_rising_and_within_range() -> None:
    assert list(THRESHOLDS) == sorted(set(THRESHOLDS))
    assert THRESHOLDS[0] >= 0.01
    assert THRESHOLDS[-1] < 1
