"""What a user reads who has not installed PyTorch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_extra_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ImportError('No module named torch')", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "kws", "train", "--pytorch", "--data", tmp_path, "--run", tmp_path / "run"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("kws: --pytorch needs the extra 'pytorch': pip install 'kws[pytorch]'")
    assert done.stderr.count("\n") == 1
