from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kws.errors import UsageError
from kws.features.front_end import ARTICLE, LOG_MEL, LOG_MEL_SMALL, PRESETS, FrontEnd, mel_matrix, resize_matrix
from kws.types import Float32Array

#: Linear magnitudes of 16 ms frames without overlap: 129 bins of 62.5 Hz.
PLAIN = FrontEnd(
    frame_length=256, frame_step=256, fft_length=256, mel_bins=0, log_offset=0.0, image=(62, 129), window=16000
)


def sine(hertz: float, samples: int = 16000, amplitude: float = 1.0) -> Float32Array:
    return (amplitude * np.sin(2 * np.pi * hertz * np.arange(samples) / 16000)).astype(np.float32)


def noise(*shape: int) -> Float32Array:
    return np.random.default_rng(7).standard_normal(shape, np.float32) * np.float32(0.1)


def slow_stft(samples: Float32Array, front_end: FrontEnd) -> list[list[float]]:
    """Magnitudes by the definition of the discrete Fourier transform, one sum for each bin of each frame."""
    length, size = front_end.frame_length, front_end.fft_length
    frames = []
    for first in range(0, len(samples) - length + 1, front_end.frame_step):
        windowed = [samples[first + n] * (0.5 - 0.5 * math.cos(2 * math.pi * n / length)) for n in range(length)]
        bins = []
        for k in range(size // 2 + 1):
            turns = np.exp(-2j * np.pi * k * np.arange(length) / size)
            bins.append(abs(complex(np.dot(windowed, turns))))
        frames.append(bins)
    return frames


def mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def slow_mel(bins: int, spectrum_bins: int, rate: int, low: float, high: float) -> list[list[float]]:
    """Each triangle from its three corners on the mel scale, in the form with the common logarithm."""
    corners = [mel(low) + (mel(high) - mel(low)) * i / (bins + 1) for i in range(bins + 2)]
    weights = [[0.0] * bins for _ in range(spectrum_bins)]
    for k in range(1, spectrum_bins):
        at = mel(k * rate / 2 / (spectrum_bins - 1))
        for b, (left, centre, right) in enumerate(zip(corners, corners[1:], corners[2:], strict=False)):
            if left < at <= centre:
                weights[k][b] = (at - left) / (centre - left)
            elif centre < at < right:
                weights[k][b] = (right - at) / (right - centre)
    return weights


def test_the_hann_window_is_periodic() -> None:
    four = replace(PLAIN, frame_length=4, fft_length=4, image=(1, 3), frame_step=256)
    assert four.hann.tolist() == [0.0, 0.5, 1.0, 0.5]
    assert LOG_MEL.hann.dtype == np.float32
    # Shifted by half its length and added to itself it is one everywhere: only the periodic window does that.
    assert np.allclose(LOG_MEL.hann + np.roll(LOG_MEL.hann, 200), 1.0, atol=1e-6)


def test_a_tone_in_the_middle_of_a_bin() -> None:
    frames = PLAIN.spectrogram(sine(20 * 62.5, amplitude=0.5))
    assert frames.shape == (62, 129)
    assert frames.dtype == np.float32
    assert set(frames.argmax(axis=1)) == {20}
    # A sine of amplitude a leaves a/2 times the sum of the window, which is 128, in its bin and half that beside it.
    assert np.allclose(frames[:, 20], 0.5 / 2 * 128, rtol=1e-4)
    assert np.allclose(frames[:, [19, 21]], 0.5 / 4 * 128, rtol=1e-4)
    assert frames[:, np.r_[0:18, 23:129]].max() < 1e-3


def test_a_constant_is_the_zero_frequency() -> None:
    frames = PLAIN.spectrogram(np.full(16000, 0.25, np.float32))
    assert np.allclose(frames[:, 0], 0.25 * 128)
    assert frames[:, 2:].max() < 1e-4


@pytest.mark.parametrize("hertz", [200.0, 1000.0, 3000.0, 6000.0])
def test_a_tone_falls_into_its_mel_band(hertz: float) -> None:
    spacing = (mel(7600) - mel(60)) / 65
    band = round((mel(hertz) - mel(60)) / spacing) - 1
    frames = LOG_MEL.spectrogram(sine(hertz))
    assert abs(int(frames.mean(axis=0).argmax()) - band) <= 1


def test_twice_as_loud_is_the_logarithm_of_two_more() -> None:
    front_end = replace(LOG_MEL, log_offset=1e-12)
    sound = noise(16000)
    assert np.allclose(front_end.spectrogram(2 * sound) - front_end.spectrogram(sound), math.log(2), atol=1e-5)


def test_silence_is_the_logarithm_of_the_offset() -> None:
    assert np.allclose(LOG_MEL.spectrogram(np.zeros(16000, np.float32)), math.log(1e-3))


def test_it_is_the_transform_by_definition() -> None:
    front_end = replace(PLAIN, frame_length=50, frame_step=20, fft_length=64, window=200, image=(8, 33))
    sound = noise(200)
    assert np.allclose(front_end.spectrogram(sound), slow_stft(sound, front_end), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("front_end", [LOG_MEL, LOG_MEL_SMALL])
def test_the_mel_bank_by_definition(front_end: FrontEnd) -> None:
    bins = front_end.fft_length // 2 + 1
    expected = slow_mel(front_end.mel_bins, bins, 16000, front_end.mel_low, front_end.mel_high)
    assert front_end.mel.shape == (bins, front_end.mel_bins)
    assert np.allclose(front_end.mel, expected, atol=1e-5)
    sound = noise(16000)
    linear = replace(front_end, mel_bins=0, log_offset=0.0, fit="resize").spectrogram(sound)
    assert np.allclose(front_end.spectrogram(sound), np.log(linear @ np.array(expected) + 1e-3), atol=1e-4)


def test_bands_between_the_first_and_the_last_centre_share_each_frequency() -> None:
    weights = mel_matrix(20, 513, 16000, 60.0, 7600.0)
    spacing = (mel(7600) - mel(60)) / 21
    for k, row in enumerate(weights[1:], 1):
        if mel(60) + spacing <= mel(k * 16000 / 1024) <= mel(7600) - spacing:
            assert row.sum() == pytest.approx(1, abs=1e-4)
    assert not weights[0].any()


@given(window=st.integers(1, 400), length=st.integers(1, 400), step=st.integers(1, 100), samples=st.integers(0, 500))
def test_frames_are_those_that_lie_within(window: int, length: int, step: int, samples: int) -> None:
    length = min(length, window)
    front_end = FrontEnd(
        window=window, frame_length=length, frame_step=step, fft_length=length, mel_bins=0, log_offset=0,
        image=(1, 1), fit="resize",
    )  # fmt: skip
    assert front_end.frames == len(range(0, window - length + 1, step))
    frames = front_end.spectrogram(np.zeros(samples, np.float32))
    assert frames.shape == (len(range(0, samples - length + 1, step)), length // 2 + 1)


def test_a_column_depends_on_nothing_but_the_samples_under_it() -> None:
    sound = noise(16000)
    changed = sound.copy()
    changed[: 50 * 160] = 0
    before, after = LOG_MEL.spectrogram(sound), LOG_MEL.spectrogram(changed)
    assert np.array_equal(before[50:], after[50:])
    assert not np.array_equal(before[49], after[49])


def test_many_windows_at_once() -> None:
    sounds = noise(2, 3, 16000)
    images = LOG_MEL(sounds)
    assert images.shape == (2, 3, 96, 64, 1)
    assert np.allclose(images[1, 2], LOG_MEL(sounds[1, 2]), atol=1e-5)


def test_a_crop_keeps_the_newest_rows() -> None:
    spectrogram = np.arange(98 * 64, dtype=np.float32).reshape(98, 64)
    assert np.array_equal(LOG_MEL.fit_image(spectrogram)[..., 0], spectrogram[2:])


def test_a_resize_by_hand() -> None:
    # Centres of two pixels made of four: -0.25, 0.25, 0.75, 1.25; beyond the edge the edge goes on.
    assert resize_matrix(2, 4).tolist() == [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]
    assert resize_matrix(4, 2).tolist() == [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]]
    assert np.array_equal(resize_matrix(5, 5), np.eye(5))


@given(size=st.integers(1, 60), new_size=st.integers(1, 60))
def test_a_resize_keeps_what_is_the_same_everywhere(size: int, new_size: int) -> None:
    weights = resize_matrix(size, new_size)
    assert weights.shape == (new_size, size)
    assert np.allclose(weights.sum(axis=1), 1)
    assert weights.min() >= 0


def test_the_front_end_of_the_article() -> None:
    assert (ARTICLE.frame_length, ARTICLE.frame_step, ARTICLE.fft_length) == (2048, 512, 2048)
    assert (ARTICLE.frames, ARTICLE.bins) == (28, 1025)
    assert ARTICLE.shape == (128, 128, 3)
    tone = sine(132 * 16000 / 2048)
    image = ARTICLE(tone)
    assert image.shape == (128, 128, 3)
    assert image.dtype == np.float32
    assert np.array_equal(image[..., 0], image[..., 1])
    assert np.array_equal(image[..., 0], image[..., 2])
    # A sine of amplitude 1 is 2048 / 4 in its bin and half that beside it. Column 16 of the image lies at bin 131.629.
    assert ARTICLE.spectrogram(tone)[:, 131:133] == pytest.approx(np.tile([256, 512], (28, 1)), rel=1e-3)
    assert set(image[..., 0].argmax(axis=1)) == {16}
    assert image[:, 16, 0] == pytest.approx(0.371 * 256 + 0.629 * 512, rel=1e-3)


def test_the_presets() -> None:
    assert PRESETS == {"log-mel": LOG_MEL, "log-mel-small": LOG_MEL_SMALL, "article": ARTICLE}
    assert (LOG_MEL.frames, LOG_MEL.bins, LOG_MEL.shape) == (98, 64, (96, 64, 1))
    assert (LOG_MEL_SMALL.frames, LOG_MEL_SMALL.bins, LOG_MEL_SMALL.shape) == (49, 40, (48, 40, 1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"frame_step": 0}, "frame_step and frame_length must be positive and fit into the window"),
        ({"frame_length": 0}, "frame_step and frame_length must be positive and fit into the window"),
        ({"window": 399}, "frame_step and frame_length must be positive and fit into the window"),
        ({"fft_length": 399}, "fft_length 399 is shorter than frame_length 400"),
        ({"sample_rate": 0}, "sample_rate must be positive, and mel_bins 0 (linear bins) or positive"),
        ({"mel_bins": -1}, "sample_rate must be positive, and mel_bins 0 (linear bins) or positive"),
        ({"log_offset": -1e-9}, "log_offset must be 0 (no logarithm) or positive"),
        ({"log_offset": math.nan}, "log_offset must be 0 (no logarithm) or positive"),
        ({"mel_low": -1.0}, "mel_low and mel_high must lie in order between 0 and half the sample rate"),
        ({"mel_high": 8001.0}, "mel_low and mel_high must lie in order between 0 and half the sample rate"),
        ({"mel_low": 7600.0}, "mel_low and mel_high must lie in order between 0 and half the sample rate"),
        ({"mel_high": math.nan}, "mel_low and mel_high must lie in order between 0 and half the sample rate"),
        ({"fit": "stretch"}, "fit must be 'crop' or 'resize', not 'stretch'"),
        ({"channels": 0}, "image and channels must be positive"),
        ({"image": (0, 64)}, "image and channels must be positive"),
        ({"image": (99, 64)}, "image 99 x 64 cannot be cropped from 98 x 64; use fit = 'resize'"),
        ({"image": (96, 40)}, "image 96 x 40 cannot be cropped from 98 x 64; use fit = 'resize'"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        replace(LOG_MEL, **settings)
    assert str(caught.value) == f"front-end: {message}"


@pytest.mark.training
@pytest.mark.filterwarnings("ignore")  # what TensorFlow warns of while it loads is not ours
class TestTensorFlow:
    """The definitions that the front-end names, asked themselves."""

    @pytest.mark.parametrize("name", PRESETS)
    def test_it_says_what_tf_signal_says(self, name: str) -> None:
        tf = pytest.importorskip("tensorflow", reason="needs the extra 'train'")
        front_end = PRESETS[name]
        sound = noise(16000) + sine(440, amplitude=0.3)
        stft = tf.signal.stft(sound, front_end.frame_length, front_end.frame_step, front_end.fft_length)
        expected = tf.abs(stft)
        linear = replace(front_end, mel_bins=0, log_offset=0.0, fit="resize")
        assert np.allclose(linear.spectrogram(sound), expected, rtol=1e-4, atol=1e-4)
        if front_end.mel_bins:
            bank = tf.signal.linear_to_mel_weight_matrix(
                front_end.mel_bins, front_end.fft_length // 2 + 1, 16000,
                front_end.mel_low, front_end.mel_high,
            )  # fmt: skip
            assert np.allclose(front_end.mel, bank, atol=1e-4)
            expected = expected @ bank
        if front_end.log_offset:
            expected = tf.math.log(expected + front_end.log_offset)
        assert np.allclose(front_end.spectrogram(sound), expected, rtol=1e-4, atol=1e-4)

    @pytest.mark.parametrize(("size", "new_size"), [((28, 1025), (128, 128)), ((98, 64), (49, 100)), ((3, 5), (3, 5))])
    def test_it_resizes_as_tf_image_does(self, size: tuple[int, int], new_size: tuple[int, int]) -> None:
        tf = pytest.importorskip("tensorflow", reason="needs the extra 'train'")
        image = noise(*size)
        resized = resize_matrix(size[0], new_size[0]) @ image @ resize_matrix(size[1], new_size[1]).T
        assert np.allclose(resized, tf.image.resize(image[..., None], new_size)[..., 0], atol=1e-5)
