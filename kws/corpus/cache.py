"""Arrays that took long to compute, kept in files for the next time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kws.common.files import replacing

Arrays: TypeAlias = dict[str, npt.NDArray[Any]]


def remember(path: Path | None, compute: Callable[[], Arrays]) -> Arrays:
    """Return the arrays of a file, or compute them and write the file.

    The file appears whole, also where several processes compute the same at the same time.

    Args:
        path: of the file, ``*.npz``, named after all that the arrays depend on; None writes nothing.
        compute: called if there is no such file.
    """
    if path is None:
        return compute()
    if path.exists():
        with np.load(path) as arrays:
            return dict(arrays)
    computed = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        np.savez(file, allow_pickle=False, **computed)
    return computed
