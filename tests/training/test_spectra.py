from __future__ import annotations

import numpy as np
import pytest

from kws.features.front_end import PRESETS

pytest.importorskip("scipy", reason="training needs the extra 'train'")
from kws.training.spectra import TrainingFrontEnd


@pytest.mark.parametrize("preset", PRESETS)
def test_training_hears_what_the_runtime_hears(preset: str) -> None:
    front_end = PRESETS[preset]
    windows = np.random.default_rng(0).standard_normal((3, front_end.window), np.float32) * np.float32(0.1)
    windows[1] = 0.0
    heard = TrainingFrontEnd.like(front_end)(windows)
    assert heard.dtype == np.float32
    assert np.allclose(heard, front_end(windows), atol=1e-5 * np.abs(heard).max())
