from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
import soxr
from hypothesis import given
from hypothesis import strategies as st

from kws.audio.resample import Resampler, rescale
from kws.errors import UsageError
from kws.types import AudioBlock, Float32Array
from tests.support.examples import examples
from tests.support.sounds import amplitude, joined, tone

RATES = [8000, 11025, 22050, 32000, 44100, 48000, 96000]


def cut(samples: Float32Array, sizes: list[int], position: int = 0) -> list[AudioBlock]:
    """The sound in blocks of these sizes, the last of which repeats."""
    blocks: list[AudioBlock] = []
    start = 0
    while start < len(samples):
        size = sizes[min(len(blocks), len(sizes) - 1)]
        blocks.append(AudioBlock(samples[start : start + size], position + start))
        start += size
    return blocks


def resample(samples: Float32Array, rate: int, size: int = 1000) -> Float32Array:
    blocks = list(Resampler(rate).stream(cut(samples, [size])))
    assert not blocks or blocks[0].position == 0
    return joined(blocks)


@pytest.mark.parametrize("rate", RATES)
def test_blocks_are_resampled_as_one_piece_is(rate: int) -> None:
    noise = np.random.default_rng(rate).uniform(-0.5, 0.5, rate + 13).astype(np.float32)
    expected = soxr.resample(noise, rate, 16000, quality="HQ")
    for size in (77, rate // 50, len(noise)):
        np.testing.assert_allclose(resample(noise, rate, size), expected, atol=1e-6)


@examples(40)
@given(
    rate=st.sampled_from(RATES),
    length=st.integers(1, 30_000),
    sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=20),
)
def test_the_cuts_do_not_matter(rate: int, length: int, sizes: list[int]) -> None:
    noise = np.random.default_rng(length).uniform(-0.5, 0.5, length).astype(np.float32)
    whole = resample(noise, rate, length)
    pieces = joined(list(Resampler(rate).stream(cut(noise, [*sizes, 5000]))))
    np.testing.assert_allclose(pieces, whole, atol=1e-6)
    assert len(whole) == rescale(length, rate, 16000)


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_that_the_models_hear_is_kept(rate: int) -> None:
    samples = resample(tone(1000, rate, 1), rate)
    assert len(samples) == 16000
    assert amplitude(samples[2000:-2000], 1000, 16000) == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize(("rate", "hertz"), [(44100, 11_000), (44100, 8_500), (48000, 9_000), (96000, 40_000)])
def test_a_tone_that_is_too_high_is_gone(rate: int, hertz: float) -> None:
    middle = resample(tone(hertz, rate, 1), rate)[2000:-2000]
    assert np.sqrt(2 * np.mean(middle**2)) < 0.5 * 1e-5  # 100 dB


@pytest.mark.parametrize("rate", RATES)
def test_a_constant_stays(rate: int) -> None:
    samples = resample(np.full(rate, 0.25, np.float32), rate)
    np.testing.assert_allclose(samples[2000:-2000], 0.25, atol=1e-5)


@pytest.mark.parametrize("rate", RATES)
def test_what_happens_at_half_a_second_still_does(rate: int) -> None:
    click = np.zeros(rate, np.float32)
    click[rate // 2] = 1
    samples = resample(click, rate)
    assert abs(int(np.argmax(np.abs(samples))) - round(rate // 2 * 16000 / rate)) <= (rate < 16000)


@pytest.mark.parametrize("rate", RATES)
def test_a_live_stream_is_not_kept_waiting(rate: int) -> None:
    resampler = Resampler(rate)
    out = [sum(len(b.samples) for b in resampler.push(b)) for b in cut(np.zeros(rate, np.float32), [rate // 50])]
    assert sum(out) > 16000 * (1 - 0.13)


@pytest.mark.process
def test_equal_rates_pass_without_a_copy_and_without_soxr() -> None:
    resampler = Resampler(16000)
    blocks = [AudioBlock(np.zeros(10, np.float32), 5), AudioBlock(np.zeros(10, np.float32), 99)]
    assert list(resampler.stream(blocks)) == blocks
    script = (
        "import sys; from kws.audio.resample import Resampler; Resampler(16000).flush(); "
        "assert 'soxr' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@given(
    rate=st.sampled_from(RATES),
    first=st.integers(0, 10**9),
    gap=st.integers(1, 10**6),
    lengths=st.tuples(st.integers(1, 3000), st.integers(1, 3000)),
)
def test_a_gap_begins_a_new_stretch_at_its_place(rate: int, first: int, gap: int, lengths: tuple[int, int]) -> None:
    rng = np.random.default_rng(first)
    before, after = (rng.uniform(-0.5, 0.5, n).astype(np.float32) for n in lengths)
    second = first + len(before) + gap
    blocks = list(Resampler(rate).stream([*cut(before, [500], first), *cut(after, [500], second)]))
    begin, again = rescale(first, rate, 16000), rescale(second, rate, 16000)
    head = [block for block in blocks if block.position < again]
    tail = [block for block in blocks if block.position >= again]
    # A sample or two may be none at 16 kHz, and the gap must not be covered by rounding.
    assert not head or (head[0].position == begin and head[-1].end < again)
    assert not tail or tail[0].position == again
    kept, whole = joined(head), resample(before, rate)
    assert min(len(whole), again - begin - 1) <= len(kept) <= len(whole)
    np.testing.assert_allclose(kept, whole[: len(kept)], atol=1e-6)
    np.testing.assert_allclose(joined(tail), resample(after, rate), atol=1e-6)


def test_the_smallest_gap_is_seen() -> None:
    """At 44.1 kHz one lost sample is a third of one at 16 kHz; it is a gap nevertheless."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 88_200).astype(np.float32)
    for lost_at in range(44_100, 44_110):
        blocks = list(
            Resampler(44100).stream([AudioBlock(noise[:lost_at], 0), AudioBlock(noise[lost_at + 1 :], lost_at + 1)])
        )
        gaps = [after.position - before.end for before, after in pairwise(blocks)]
        assert sum(gap > 0 for gap in gaps) == 1
        assert max(gaps) <= 2


def test_what_follows_a_flush_is_a_new_stretch() -> None:
    resampler = Resampler(48000)
    click = np.zeros(4800, np.float32)
    click[-1] = 1
    first = resampler.push(AudioBlock(click, 0)) + resampler.flush()
    assert resampler.flush() == []
    second = resampler.push(AudioBlock(np.zeros(4800, np.float32), 4800)) + resampler.flush()
    assert len(joined(first)) == 1600
    assert second[0].position == 1600
    assert not joined(second).any()


def test_blocks_go_forward() -> None:
    resampler = Resampler(48000)
    resampler.push(AudioBlock(np.zeros(10, np.float32), 0))
    with pytest.raises(ValueError, match="block at 9 after sound up to 10"):
        resampler.push(AudioBlock(np.zeros(10, np.float32), 9))


def test_samples_that_do_not_lie_together() -> None:
    samples = tone(1000, 48000, 0.5)
    spread = np.repeat(samples, 2)[::2]
    assert not spread.flags.c_contiguous
    np.testing.assert_array_equal(resample(spread, 48000), resample(samples, 48000))


@pytest.mark.parametrize("rates", [(0, 16000), (16000, 0), (-1, 16000)])
def test_rates_that_cannot_be(rates: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match="cannot resample from"):
        Resampler(*rates)


@given(st.integers(0, 10**12), st.sampled_from(RATES))
def test_positions_are_mapped_to_the_nearest(position: int, rate: int) -> None:
    assert abs(2 * (rescale(position, rate, 16000) * rate - position * 16000)) <= rate
    assert rescale(position, 16000, 16000) == position
