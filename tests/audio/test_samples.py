from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.audio.channels import check_channel
from kws.audio.samples import SAMPLE_BYTES, Downmix, check_finite, check_rate, decode, mono
from kws.errors import AudioError, OptionError
from tests.support.sounds import chunk, decoded, wav, wav_format

FORMATS = {
    "u8": (8, 1),
    "s16le": (16, 1),
    "s24le": (24, 1),
    "s32le": (32, 1),
    "f32le": (32, 3),
    "f64le": (64, 3),
}


@pytest.mark.parametrize(
    ("encoding", "data", "samples"),
    [
        ("u8", "00 80 ff", [-1, 0, 127 / 128]),
        ("s16le", "0080 0000 ff7f 0100", [-1, 0, 32767 / 32768, 1 / 32768]),
        ("s24le", "000080 000000 ffffff 000040", [-1, 0, -1 / 2**23, 0.5]),
        ("s32le", "00000080 00000000 00000040", [-1, 0, 0.5]),
        ("f32le", "0000803f 000000bf", [1, -0.5]),
        ("f64le", "000000000000f03f 000000000000e0bf", [1, -0.5]),
    ],
)
def test_decode_exactly(encoding: str, data: str, samples: list[float]) -> None:
    result = decode(bytes.fromhex(data), encoding)
    assert result.dtype == np.float32
    assert result.tolist() == samples


@given(encoding=st.sampled_from(sorted(SAMPLE_BYTES)), data=st.binary(min_size=1, max_size=64))
def test_decode_as_libsndfile_does(encoding: str, data: bytes) -> None:
    bits, tag = FORMATS[encoding]
    # It takes sound that begins with another format's magic for that format; a zero before it tells it otherwise.
    data = bytes(SAMPLE_BYTES[encoding]) + data * SAMPLE_BYTES[encoding]
    expected = decoded(wav(wav_format(bits=bits, tag=tag), chunk(b"data", data)))[:, 0]
    np.testing.assert_array_equal(decode(data, encoding), expected)


def test_a_double_beyond_float32_is_infinite() -> None:
    assert decode(np.array([1e300, -1e300]).tobytes(), "f64le").tolist() == [np.inf, -np.inf]


def test_mono_is_the_mean_or_one_channel() -> None:
    frames = np.array([[0.5, -0.5, 0.75], [1, 0, -0.25]], np.float32)
    assert mono(frames, None).tolist() == [0.25, 0.25]
    assert mono(frames, 1).tolist() == [0.5, 1]
    assert mono(frames, 3).tolist() == [0.75, -0.25]
    assert mono(frames, 3).flags.c_contiguous
    assert mono(frames[:, :1], None).tolist() == [0.5, 1]
    assert mono(frames, None).dtype == np.float32


@pytest.mark.parametrize("channels", [2, 3, 8, 32])
def test_the_mean_of_any_number_of_channels(channels: int) -> None:
    frames = np.random.default_rng(0).standard_normal((1000, channels)).astype(np.float32)
    before = frames.copy()
    np.testing.assert_allclose(mono(frames, None), frames.astype(np.float64).mean(axis=1), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(frames, before)


def test_a_mean_that_is_no_number_is_left_to_the_check() -> None:
    frames = np.array([[np.inf, -np.inf], [3e38, 3e38], [1, 0]], np.float32)
    np.testing.assert_array_equal(mono(frames, None), [np.nan, np.inf, 0.5])


def test_channels_are_counted_from_one() -> None:
    check_channel(None, 1, name="x")
    check_channel(2, 2, name="x")
    with pytest.raises(OptionError, match=r"^channel: 0: channels are counted from 1"):
        check_channel(0)
    with pytest.raises(OptionError, match=r"^channel: x has only one channel, there is no channel 2"):
        check_channel(2, 1, name="x")
    with pytest.raises(OptionError, match=r"^channel: x has 6 channels, there is no channel 7"):
        check_channel(7, 6, name="x")


@pytest.mark.parametrize("rate", [0, 999, 768_001])
def test_no_sound_has_such_a_rate(rate: int) -> None:
    with pytest.raises(AudioError, match=f"x: no recording has {rate} samples per second"):
        check_rate(rate, name="x")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_the_first_sample_that_is_not_finite_is_told(bad: float) -> None:
    samples = np.zeros(100, np.float32)
    check_finite(samples, 0, 16000, name="x")
    samples[[40, 60]] = bad
    with pytest.raises(AudioError, match=r"x: the sample at 1\.002 s is infinite or not a number"):
        check_finite(samples, 16000, 16000, name="x")


WARNING = (
    "x: its channels cancel each other, so almost nothing of it is heard; choose one of them "
    "(kws listen --channel 1; in a configuration source.channel = 1)"
)


@pytest.mark.parametrize(
    ("channels", "warns"),
    [
        ([1, -1], True),
        ([1, -0.9], True),
        ([1, -0.5], False),
        ([1, 1], False),
        ([1, 0, 0, 0, 0, 0, 0, 0], False),  # one of eight microphones is connected
        ([1e-4, -1e-4], False),  # too quiet to matter
    ],
)
@pytest.mark.parametrize("seconds", [0.5, 3])
def test_channels_that_cancel_each_other(
    channels: list[float], seconds: float, caplog: pytest.LogCaptureFixture, *, warns: bool
) -> None:
    noise = np.random.default_rng(1).uniform(-1, 1, round(16000 * seconds)).astype(np.float32)
    frames = np.outer(noise, channels).astype(np.float32)
    downmix = Downmix(None, 16000, name="x", floats=False)
    for block in np.array_split(frames, 20):
        downmix.mix(block, 0)
    downmix.end()
    assert [record.message for record in caplog.records] == warns * [WARNING]


def test_channels_that_have_nothing_in_common_do_not_cancel(caplog: pytest.LogCaptureFixture) -> None:
    frames = np.random.default_rng(1).uniform(-1, 1, (32000, 8)).astype(np.float32)
    Downmix(None, 16000, name="x", floats=False).mix(frames, 0)
    assert not caplog.records


def test_channels_that_cancel_each_other_but_for_their_noise(caplog: pytest.LogCaptureFixture) -> None:
    """A stereo microphone with one inverted channel: only speech can show it."""
    rng = np.random.default_rng(1)
    downmix = Downmix(None, 16000, name="x", floats=False)
    for second in range(60):
        noise = rng.normal(0, 0.003, (16000, 2)).astype(np.float32)
        speech = rng.normal(0, 0.1 if second % 20 == 19 else 0, 16000)
        downmix.mix(noise + np.outer(speech, [1, -1]).astype(np.float32), second * 16000)
        assert caplog.messages == (second >= 19) * [WARNING]


def test_a_knock_does_not_hide_for_ever_that_channels_cancel_each_other(caplog: pytest.LogCaptureFixture) -> None:
    rng = np.random.default_rng(1)
    downmix = Downmix(None, 16000, name="x", floats=False)
    downmix.mix(np.repeat(rng.normal(0, 0.3, (16000, 1)), 2, 1).astype(np.float32), 0)
    speech = np.outer(rng.normal(0, 0.03, 16000), [1, -1]).astype(np.float32)
    for second in range(1, 90):
        downmix.mix(speech, second * 16000)
    assert caplog.messages == [WARNING]
