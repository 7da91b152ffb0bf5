"""Training: from recordings of words to a model folder."""

from importlib.util import find_spec

from kws.errors import UsageError


def check_tensorflow() -> None:
    """Look for what training with TensorFlow needs; loading it would take seconds.

    Raises:
        UsageError: a part is not installed; the message names the extra.
    """
    for name in ("tensorflow", "tf_keras", "efficientnet", "scipy"):
        if not find_spec(name):
            raise UsageError(f"training needs the extra 'train': pip install '.[train]' (there is no {name})")
