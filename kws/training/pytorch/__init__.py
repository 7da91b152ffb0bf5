"""Training with PyTorch: on a graphics card, and of several networks that teach each other."""

from __future__ import annotations

from kws.errors import UsageError

try:
    import torch as _torch  # noqa: F401  # fails if PyTorch is missing
except ImportError as error:  # pragma: no cover - depends on the installation
    raise UsageError(f"training with PyTorch needs the extra 'pytorch': pip install '.[pytorch]' ({error})") from error
