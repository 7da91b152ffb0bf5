"""kws: a streaming keyword spotter that runs as a background service, and its Python API."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kws.app.spotter import Spotter, SpotterStream, load_model
    from kws.errors import KwsError
    from kws.types import Detection

__all__ = ["DEFAULT_MODEL", "Detection", "KwsError", "Spotter", "SpotterStream", "__version__", "load_model"]

__version__ = "0.1.0"

#: The model that is used if none is named: the one that detects best in a stream.
DEFAULT_MODEL = "commands"

#: The modules of the public names. They load with the first use, so that ``import kws`` does not even load NumPy.
_MODULES = {
    "Detection": "kws.types",
    "KwsError": "kws.errors",
    "Spotter": "kws.app.spotter",
    "SpotterStream": "kws.app.spotter",
    "load_model": "kws.app.spotter",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'kws' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
