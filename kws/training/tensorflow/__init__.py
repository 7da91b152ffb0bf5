"""Training with TensorFlow, on processors, and the conversion to TFLite; loads the libraries in the order they need."""

from __future__ import annotations

import ctypes
import os

from kws.common.stderr import silenced
from kws.errors import UsageError

# The package efficientnet asks for Keras by this name; TensorFlow itself serves tf-keras under tf.keras if told to.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # on some processors of AMD it is off
# Keep free memory for the next tensor. Otherwise glibc maps each large one into memory, clears it and unmaps it again,
# which takes longer than computing with it. These are its M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD and M_TOP_PAD.
if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
    for parameter, value in ((-8, 1), (-4, 0), (-1, -1), (-2, 2**28)):
        mallopt(parameter, value)

try:
    # TensorFlow prints a greeting before it can be told not to, and a complaint if it finds no graphics card.
    with silenced():
        import tensorflow as tf
        import tf_keras as keras
        from efficientnet.model import DEFAULT_BLOCKS_ARGS, EfficientNet

        tf.config.list_logical_devices()
except ImportError as error:  # pragma: no cover - depends on the installation
    raise UsageError(f"training needs the extra 'train': pip install '.[train]' ({error})") from error

__all__ = ["DEFAULT_BLOCKS_ARGS", "EfficientNet", "keras", "tf"]
