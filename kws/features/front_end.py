"""The front-end: sound to STFT magnitudes, then optionally a mel filter bank, a logarithm and an image.

The STFT is that of ``tf.signal.stft`` with ``pad_end=False``: frames of ``frame_length`` samples, a periodic
Hann window, zero-padded on the right to ``fft_length``. The filter bank is that of
``tf.signal.linear_to_mel_weight_matrix`` (HTK's mel scale, triangles of height one over magnitudes). Everything is
NumPy and float32, and equals TensorFlow's ops to 1e-4.

A frame depends only on the ``frame_length`` samples under it, so a stream computes each frame once for all windows that
share it (:mod:`kws.features.windows`). Normalisation is part of the network for the same reason.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from msgspec.structs import replace

from kws.errors import UsageError
from kws.types import Float32Array, Float64Array

if TYPE_CHECKING:
    import numpy.typing as npt

Fit = Literal["crop", "resize"]


class FrontEnd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """All settings of a front-end, as ``model.json`` holds them.

    Attributes:
        sample_rate: samples per second of the input.
        window: samples under one spectrogram (one second).
        frame_length: samples under one frame.
        frame_step: samples from one frame to the next.
        fft_length: length of the transform, at least ``frame_length``.
        mel_bins: bands of the mel filter bank; 0 keeps the ``fft_length // 2 + 1`` linear bins.
        mel_low, mel_high: the bank's lowest and highest frequency in hertz.
        log_offset: added before the natural logarithm; 0 for no logarithm.
        image: frames (time) and bins (frequency) of the network's input.
        fit: how the spectrogram becomes the image: ``crop`` keeps the newest frames, ``resize`` is the bilinear
            ``tf.image.resize``.
        channels: copies of the grey image, for a network that expects colours.
    """

    sample_rate: int = 16000
    window: int = 16000
    frame_length: int = 400
    frame_step: int = 160
    fft_length: int = 512
    mel_bins: int = 64
    mel_low: float = 60.0
    mel_high: float = 7600.0
    log_offset: float = 1e-3
    image: tuple[int, int] = (96, 64)
    fit: Fit = "crop"
    channels: int = 1

    def __post_init__(self) -> None:
        if self.frame_step < 1 or self.frame_length < 1 or self.window < self.frame_length:
            raise UsageError("front-end: frame_step and frame_length must be positive and fit into the window")
        if self.fft_length < self.frame_length:
            raise UsageError(
                f"front-end: fft_length {self.fft_length} is shorter than frame_length {self.frame_length}"
            )
        if self.sample_rate < 1 or self.mel_bins < 0:
            raise UsageError("front-end: sample_rate must be positive, and mel_bins 0 (linear bins) or positive")
        if not self.log_offset >= 0:  # so that nan fails too
            raise UsageError("front-end: log_offset must be 0 (no logarithm) or positive")
        if self.mel_bins and not 0 <= self.mel_low < self.mel_high <= self.sample_rate / 2:
            raise UsageError("front-end: mel_low and mel_high must lie in order between 0 and half the sample rate")
        if self.fit not in ("crop", "resize"):
            raise UsageError(f"front-end: fit must be 'crop' or 'resize', not {self.fit!r}")
        if self.channels < 1 or min(self.image) < 1:
            raise UsageError("front-end: image and channels must be positive")
        if self.fit == "crop" and (self.image[0] > self.frames or self.image[1] != self.bins):
            raise UsageError(
                f"front-end: image {self.image[0]} x {self.image[1]} cannot be cropped from "
                f"{self.frames} x {self.bins}; use fit = 'resize'"
            )

    def with_window(self, window: int) -> FrontEnd:
        """Return the same for windows of another length in samples, with an image of as many more or fewer frames."""
        frames = 1 + (window - self.frame_length) // self.frame_step
        return replace(self, window=window, image=(self.image[0] + frames - self.frames, self.image[1]))

    @property
    def frames(self) -> int:
        """Frames under one window: ``1 + (window - frame_length) // frame_step``."""
        return 1 + (self.window - self.frame_length) // self.frame_step

    @property
    def bins(self) -> int:
        """Frequencies of one frame."""
        return self.mel_bins or self.fft_length // 2 + 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """Frames, bins and channels of the network's input."""
        return (*self.image, self.channels)

    @cached_property
    def hann(self) -> Float32Array:
        """The periodic Hann window ``(frame_length,)``."""
        n = np.arange(self.frame_length)
        window: Float32Array = (0.5 - 0.5 * np.cos(2 * np.pi * n / self.frame_length)).astype(np.float32)
        return window

    @cached_property
    def mel(self) -> Float32Array:
        """The mel filter bank ``(fft_length // 2 + 1, mel_bins)``."""
        return mel_matrix(self.mel_bins, self.fft_length // 2 + 1, self.sample_rate, self.mel_low, self.mel_high)

    @cached_property
    def _resize(self) -> tuple[Float32Array, Float32Array]:
        return resize_matrix(self.frames, self.image[0]), resize_matrix(self.bins, self.image[1]).T

    def spectrogram(self, samples: Float32Array) -> Float32Array:
        """Return the frames that lie entirely within the sound.

        Args:
            samples: float32 ``(..., n)`` in [-1, 1] at ``sample_rate``.

        Returns:
            float32 ``(..., max(0, 1 + (n - frame_length) // frame_step), bins)``.
        """
        count = 1 + (samples.shape[-1] - self.frame_length) // self.frame_step
        if count < 1:
            return np.zeros((*samples.shape[:-1], 0, self.bins), np.float32)
        shape = (*samples.shape[:-1], count, self.frame_length)
        strides = (*samples.strides[:-1], self.frame_step * samples.strides[-1], samples.strides[-1])
        return self.frames_of(np.lib.stride_tricks.as_strided(samples, shape, strides, writeable=False))

    def frames_of(self, sound: Float32Array) -> Float32Array:
        """Return the frames ``(..., n, bins)`` of sound that is cut for them, float32 ``(..., n, frame_length)``."""
        frames: Float32Array = np.abs(self.transform(sound * self.hann)).astype(np.float32, copy=False)
        if self.mel_bins:
            frames = frames @ self.mel
        if self.log_offset:
            frames += np.float32(self.log_offset)
            np.log(frames, out=frames)
        return frames

    def transform(self, sound: Float32Array) -> npt.NDArray[np.complexfloating[Any, Any]]:
        """Return the spectra ``(..., n, fft_length // 2 + 1)`` of weighted sound ``(..., n, frame_length)``."""
        return np.fft.rfft(sound, self.fft_length)

    def fit_image(self, spectrogram: Float32Array) -> Float32Array:
        """Return the network's input for one spectrogram or many.

        Args:
            spectrogram: float32 ``(..., frames, bins)``.

        Returns:
            float32 ``(..., *shape)``.
        """
        if self.fit == "crop":
            image = spectrogram[..., -self.image[0] :, :]
        else:
            times, frequencies = self._resize
            image = (times @ spectrogram @ frequencies).astype(np.float32, copy=False)
        if self.channels == 1:
            return image[..., None]
        return np.repeat(image[..., None], self.channels, axis=-1)

    def __call__(self, window: Float32Array) -> Float32Array:
        """Return the network's input for windows ``(..., window)``."""
        return self.fit_image(self.spectrogram(window))


#: The log-mel image of our own models: 25 ms frames every 10 ms, 64 bands.
LOG_MEL = FrontEnd()

#: The same for small computers: 40 ms frames every 20 ms, 40 bands.
LOG_MEL_SMALL = FrontEnd(frame_length=640, frame_step=320, fft_length=1024, mel_bins=40, image=(48, 40))

#: The front-end of the article that this project started from: a linear magnitude spectrogram as a picture.
ARTICLE = FrontEnd(
    frame_length=2048,
    frame_step=512,
    fft_length=2048,
    mel_bins=0,
    log_offset=0.0,
    image=(128, 128),
    fit="resize",
    channels=3,
)

PRESETS = {"log-mel": LOG_MEL, "log-mel-small": LOG_MEL_SMALL, "article": ARTICLE}


def mel_matrix(bins: int, spectrum_bins: int, sample_rate: int, low: float, high: float) -> Float32Array:
    """Return weights ``(spectrum_bins, bins)`` that sum linear-frequency magnitudes in mel bands.

    Triangles that are linear on the mel scale of the HTK Book (``1127 ln(1 + f / 700)``), equally spaced from
    ``low`` to ``high`` hertz, of height one and without area normalisation; the zero frequency has no weight. The
    definition is that of ``tf.signal.linear_to_mel_weight_matrix``.
    """

    def to_mel(hertz: Float64Array) -> Float64Array:
        return 1127.0 * np.log1p(hertz / 700.0)

    frequencies = to_mel(np.linspace(0.0, sample_rate / 2, spectrum_bins)[1:])[:, None]
    lowest, highest = to_mel(np.array([low, high], np.float64))
    edges = np.linspace(lowest, highest, bins + 2)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rise = (frequencies - left) / (centre - left)
    fall = (right - frequencies) / (right - centre)
    weights = np.maximum(0.0, np.minimum(rise, fall))
    return np.pad(weights, ((1, 0), (0, 0))).astype(np.float32)


def resize_matrix(size: int, new_size: int) -> Float32Array:
    """Return the weights ``(new_size, size)`` of a bilinear resize along one axis: half-pixel centres, no smoothing.

    ``resize_matrix(h, H) @ image @ resize_matrix(w, W).T`` is ``tf.image.resize(image, (H, W))``.
    """
    centres = (np.arange(new_size) + 0.5) * size / new_size - 0.5
    below = np.floor(centres)
    share = centres - below
    weights = np.zeros((new_size, size))
    rows = np.arange(new_size)
    np.add.at(weights, (rows, np.clip(below, 0, size - 1).astype(int)), 1.0 - share)
    np.add.at(weights, (rows, np.clip(below + 1, 0, size - 1).astype(int)), share)
    return weights.astype(np.float32)
