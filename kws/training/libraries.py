"""TensorFlow, Keras and EfficientNet, loaded in the one order that works, and quietly, for all who train."""

from __future__ import annotations

import os

from kws.common.stderr import silenced
from kws.errors import UsageError

# The package asks for Keras by this name; TensorFlow itself serves tf-keras under tf.keras when asked so.
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

try:
    # TensorFlow greets before anybody could tell it not to, and complains when it finds no graphics card.
    with silenced():
        import tensorflow as tf
        import tf_keras as keras
        from efficientnet.model import DEFAULT_BLOCKS_ARGS, EfficientNet

        tf.config.list_logical_devices()
except ImportError as error:  # pragma: no cover - depends on the installation
    raise UsageError(f"training needs the extra 'train': pip install 'kws[train]' ({error})") from error

__all__ = ["DEFAULT_BLOCKS_ARGS", "EfficientNet", "keras", "tf"]
