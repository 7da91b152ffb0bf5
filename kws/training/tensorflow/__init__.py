"""Training with TensorFlow, on processors, and the conversion to TFLite; loads the libraries in the order they need."""

from __future__ import annotations

import os

from kws.common.stderr import silenced
from kws.errors import UsageError

# The package efficientnet asks for Keras by this name; TensorFlow itself serves tf-keras under tf.keras if told to.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

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
