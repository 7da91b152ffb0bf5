"""The message for a user who has not installed PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("ensemble", [False, True])
def test_the_extra_that_is_missing_is_named(tmp_path: Path, *, ensemble: bool) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('No module named torch')", encoding="utf-8")
    recipe = 'name = "a"\nkeywords = ["on"]\n[[teaching.ensemble]]\n'
    (tmp_path / "recipe.toml").write_text(recipe, encoding="utf-8")
    asked = ["--recipe", tmp_path / "recipe.toml"] if ensemble else ["--pytorch", "--keywords", "on"]
    done = subprocess.run(
        [sys.executable, "-m", "kws", "train", *asked, "--data", tmp_path, "--run", tmp_path / "run"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("kws: training with PyTorch needs the extra 'pytorch': pip install '.[pytorch]'")
    assert done.stderr.count("\n") == 1
