"""The message for a user who has not installed what training needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.process


@pytest.mark.parametrize("command", ["train", "export"])
@pytest.mark.parametrize("name", ["tensorflow", "tf_keras", "efficientnet", "scipy"])
def test_the_extra_that_is_missing_is_named_before_anything_is_read(tmp_path: Path, name: str, command: str) -> None:
    hidden = f"import sys; sys.modules[{name!r}] = None; from kws.cli import main; sys.exit(main(sys.argv[1:]))"
    run, none = tmp_path / "run", tmp_path / "none"
    arguments = ["--keywords", "on", "--data", none, "--run", run] if command == "train" else [none, run]
    done = subprocess.run(
        [sys.executable, "-c", hidden, command, *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("kws: training needs the extra 'train': pip install '.[train]' (there is no ")
    assert done.stderr.count("\n") == 1
    assert not run.exists()
