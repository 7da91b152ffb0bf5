"""Programs without the suffix .py, as modules."""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from types import ModuleType

from tests.support import ROOT


def load_program(path: str) -> ModuleType:
    """Return the program at a path below the checkout as a module; it may import modules beside it."""
    file = ROOT / path
    loader = SourceFileLoader(file.name.replace("-", "_"), str(file))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.parent))
    try:
        loader.exec_module(module)
    finally:
        sys.path.remove(str(file.parent))
    return module
