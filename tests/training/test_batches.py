"""Batches: which windows they hold, and how often."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import pytest

pytest.importorskip("scipy", reason="training needs the extra 'train'")
from kws.features.front_end import LOG_MEL_SMALL, PRESETS
from kws.training.batches import Batch, TrainingFrontEnd, batches
from kws.training.material import Example
from kws.training.recipe import Mix
from kws.types import Float32Array

pytestmark = pytest.mark.training

SIZE = 12


@dataclass
class Numbered:
    """Draws windows whose label is their number, and whose level tells it too."""

    drawn: int = field(default=0)

    def draw(self) -> Example:
        self.drawn += 1
        window = np.full(16000, 0.5, np.float32)
        window[::2] *= -1
        return Example(window * np.float32(0.9**self.drawn), self.drawn, 1000 + self.drawn)


def target(example: Example) -> Float32Array:
    """Return the target of a window: here, its number."""
    return np.array([example.label], np.float32)


def taken(count: int, reuse: float = 1.0) -> tuple[Numbered, list[Batch]]:
    mixer = Numbered()
    mix = Mix(time_masks=0, frequency_masks=0, reuse=reuse)
    return mixer, list(islice(batches(mixer, LOG_MEL_SMALL, target, mix, size=SIZE, seed=3), count))


def test_every_window_is_learned_from_once_unless_more_is_asked_for() -> None:
    mixer, drawn = taken(5)
    assert [label for _, _, targets, _ in drawn for (label,) in targets] == list(range(1, 5 * SIZE + 1))
    assert mixer.drawn == 5 * SIZE
    assert all(images.shape == (SIZE, 48, 40, 1) for images, _, _, _ in drawn)


def test_windows_are_learned_from_as_often_as_asked_for() -> None:
    mixer, drawn = taken(400, reuse=3)
    assert mixer.drawn == SIZE + 399 * SIZE // 3
    uses = Counter(label for _, _, targets, _ in drawn for (label,) in targets)
    # Those in the middle have had their time; the first were drawn from a small pool, the last are still in it.
    settled = [uses[label] for label in range(200, 1200)]
    assert np.mean(settled) == pytest.approx(3.0, abs=0.2)
    # Twice in one batch would be one window with twice the weight.
    assert all(len(np.unique(targets)) == SIZE for _, _, targets, _ in drawn)


def test_a_window_keeps_its_label_its_origin_and_its_sound() -> None:
    first: dict[int, np.ndarray] = {}
    _, drawn = taken(40, reuse=4)
    for _, images, targets, origins in drawn:
        np.testing.assert_array_equal(origins, targets[:, 0] + 1000)
        for image, (label,) in zip(images, targets, strict=True):
            np.testing.assert_array_equal(image, first.setdefault(int(label), image))


def test_masks_are_new_each_time() -> None:
    mixer = Numbered()
    mix = Mix(time_masks=2, time_mask=0.3, reuse=4)
    seen: dict[int, set[bytes]] = {}
    for _, images, targets, _ in islice(batches(mixer, LOG_MEL_SMALL, target, mix, size=SIZE, seed=3), 30):
        for image, (label,) in zip(images, targets, strict=True):
            seen.setdefault(int(label), set()).add(image.tobytes())
    assert sum(len(images) > 1 for images in seen.values()) > 0.5 * len(seen)


@pytest.mark.parametrize("preset", PRESETS)
def test_training_hears_what_the_runtime_hears(preset: str) -> None:
    front_end = PRESETS[preset]
    windows = np.random.default_rng(0).standard_normal((3, front_end.window), np.float32) * np.float32(0.1)
    windows[1] = 0.0
    heard = TrainingFrontEnd.like(front_end)(windows)
    assert heard.dtype == np.float32
    assert np.allclose(heard, front_end(windows), atol=1e-5 * np.abs(heard).max())
