"""Arrays that are kept: computed once, whole, and by several at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kws.corpus.cache import Arrays, remember


def test_what_was_computed_once_is_read_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key.npz"
    arrays: Arrays = {"numbers": np.arange(5), "names": np.array([1.5], np.float32)}
    assert remember(path, lambda: arrays) is arrays
    again = remember(path, lambda: pytest.fail("computed again"))
    assert list(again) == ["numbers", "names"]
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array)
        assert again[name].dtype == array.dtype
    assert [file.name for file in path.parent.iterdir()] == ["key.npz"]


def test_without_a_file_nothing_is_kept(tmp_path: Path) -> None:
    counted = iter(range(2))
    for expected in (0, 1):
        assert remember(None, lambda: {"n": np.array(next(counted))})["n"] == expected
    assert not list(tmp_path.iterdir())


def test_another_that_keeps_the_same_meanwhile_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key.npz"

    def slow() -> Arrays:
        # Another process begins later and is done sooner.
        with monkeypatch.context() as other:
            other.setattr("os.getpid", lambda: 1)
            remember(path, lambda: {"a": np.zeros(3)})
        return {"a": np.ones(3)}

    np.testing.assert_array_equal(remember(path, slow)["a"], np.ones(3))
    np.testing.assert_array_equal(remember(path, slow)["a"], np.ones(3))
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "key.npz"
    with pytest.raises(ValueError, match="pickle"):
        remember(path, lambda: {"a": np.array([object()], object)})
    assert not list(tmp_path.iterdir())
