from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kws.decision.smoothing import ONE, RunningMean, to_counts
from kws.evaluation.posterior_cache import smooth
from kws.types import Float32Array

POSTERIORS = arrays.arrays(
    np.float32, st.tuples(st.integers(0, 40), st.integers(1, 5)), elements=st.floats(0, 1, width=32)
)
WINDOWS = st.integers(1, 8)


@given(posteriors=POSTERIORS, windows=WINDOWS)
def test_streaming_equals_batch_bit_for_bit(posteriors: Float32Array, windows: int) -> None:
    mean = RunningMean(windows, posteriors.shape[1])
    streamed = [mean.push(counts).copy() for counts in to_counts(posteriors)]
    assert smooth(posteriors, windows).tolist() == [row.tolist() for row in streamed]


@given(posteriors=POSTERIORS, windows=WINDOWS)
def test_it_is_the_mean(posteriors: Float32Array, windows: int) -> None:
    averages = smooth(posteriors, windows)
    assert averages.shape == posteriors.shape
    for window in range(len(posteriors)):
        if window + 1 < windows:
            assert not averages[window].any()
        else:
            expected = posteriors[window + 1 - windows : window + 1].astype(np.float64).mean(axis=0)
            np.testing.assert_allclose(averages[window], expected, rtol=0, atol=2**-31)


@given(before=POSTERIORS, windows=WINDOWS)
def test_what_left_the_mean_leaves_no_trace(before: Float32Array, windows: int) -> None:
    mean = RunningMean(windows, before.shape[1])
    for counts in to_counts(before):
        mean.push(counts)
    constant = np.full(before.shape[1], 0.8, np.float32)
    for _ in range(windows):
        averages = mean.push(to_counts(constant))
    assert averages.tolist() == constant.astype(np.float64).tolist()


def test_reset_begins_anew() -> None:
    mean = RunningMean(2, 1)
    row = to_counts(np.array([0.5], np.float32))
    assert [mean.push(row).tolist(), mean.push(row).tolist()] == [[0.0], [0.5]]
    mean.reset()
    assert [mean.push(row).tolist(), mean.push(row).tolist()] == [[0.0], [0.5]]


def test_counts() -> None:
    posteriors = np.array([0.0, 1.0, 0.5, 2.0**-30, 2.0**-32, -0.1, np.nan], np.float32)
    assert to_counts(posteriors).tolist() == [0, ONE, ONE // 2, 1, 0, 0, 0]


@pytest.mark.parametrize(
    ("heard", "age"),
    [
        ([0, 0, 0, 9], 0),
        ([0, 0, 9, 9], 1),
        ([9, 9, 9, 9], 3),
        ([9, 0, 9, 9], 1),  # the newest run
        ([9, 9, 9, 0], 3),  # it has just ended
        ([0, 9, 0, 0], 2),
        ([0, 9, 9, 9, 0, 0], 3),  # no further back than the smoothing reaches
    ],
)
def test_rise(heard: list[int], age: int) -> None:
    mean = RunningMean(4, 2)
    for value in heard:
        mean.push(to_counts(np.array([0.0, value / 10], np.float32)))
    assert mean.rise(1, 0.5) == age
