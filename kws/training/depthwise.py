"""Depthwise convolution that learns faster on small images.

Most depthwise layers of an EfficientNet see images of a few pixels. There TensorFlow's gradient of the kernel takes a
processor longer than anything else of a step (5.7 ms for 128 images of 2 x 2 x 576 and a kernel of 5 x 5, on two
cores). The same sums as one product of matrices for each channel take a quarter of that.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kws.training.libraries import keras, tf
from kws.types import Float32Array

_PIXELS = 150  # of the larger image, up to which the products of matrices are faster
_KERNEL = 5  # from this size on; or where the kernel is larger than the image


class DepthwiseConv2D(keras.layers.DepthwiseConv2D):  # type: ignore[misc]  # Keras has no types
    """Keras' layer with another way to the same gradient of its kernel."""

    def call(self, inputs: Any) -> Any:
        _, rows, columns, _ = inputs.shape
        size = self.kernel_size[0]
        worthwhile = rows * columns <= _PIXELS and (size >= _KERNEL or size > min(rows, columns))
        if not worthwhile or self.padding != "same" or self.use_bias or self.depth_multiplier != 1:
            return super().call(inputs)
        return _convolve(inputs, self.depthwise_kernel, self.strides[0])


def _convolve(images: Any, kernel: Any, stride: int) -> Any:
    strides = [1, stride, stride, 1]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def convolved(images: Any, kernel: Any) -> Any:
        result = tf.nn.depthwise_conv2d(images, kernel, strides, "SAME")

        def gradients(upstream: Any) -> tuple[Any, Any]:
            of_images = tf.nn.depthwise_conv2d_backprop_input(tf.shape(images), kernel, upstream, strides, "SAME")
            return of_images, kernel_gradient(images, upstream, kernel.shape[0], stride)

        return result, gradients

    return convolved(images, kernel)


def kernel_gradient(images: Any, upstream: Any, size: int, stride: int) -> Any:
    """What a loss changes by with each weight of a square depthwise kernel, padding ``same``.

    Args:
        images: ``(n, rows, columns, channels)``, what was convolved.
        upstream: ``(n, rows / stride, columns / stride, channels)``, what the loss changes by with the result.
        size: of the kernel.
        stride: of the convolution.

    Returns:
        ``(size, size, channels, 1)``.
    """
    pixels, results = images.shape[1:3], upstream.shape[1:3]
    channels = images.shape[3]
    # Every pixel with every result, summed over the images: (channels, results, pixels).
    pairs = tf.matmul(_by_channel(upstream), _by_channel(images), transpose_b=True)
    weights = tf.reshape(pairs, (channels, -1)) @ tf.constant(_meetings(tuple(pixels), tuple(results), size, stride))
    return tf.reshape(tf.transpose(weights), (size, size, channels, 1))


def _by_channel(images: Any) -> Any:
    """``(channels, pixels, n)`` of ``(n, rows, columns, channels)``."""
    _, rows, columns, channels = images.shape
    return tf.transpose(tf.reshape(images, (-1, rows * columns, channels)), (2, 1, 0))


def _meetings(pixels: tuple[int, int], results: tuple[int, int], size: int, stride: int) -> Float32Array:
    """Which weight joins a pixel to a result: 1 or 0, ``(results * pixels, size * size)``."""
    along = []
    for pixel, result in zip(pixels, results, strict=True):
        before = max((result - 1) * stride + size - pixel, 0) // 2
        offset = np.arange(pixel) - stride * np.arange(result)[:, None] + before
        along.append((offset[:, :, None] == np.arange(size)).astype(np.float32))
    meetings: Float32Array = np.einsum("axi,byj->abxyij", *along).reshape(-1, size * size)
    return meetings
