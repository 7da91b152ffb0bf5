"""The documentation site: every page has a place in it, and no link is broken."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

pytestmark = pytest.mark.process


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", config, "--site-dir", site],
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def warnings(done: subprocess.CompletedProcess[str]) -> list[str]:
    return re.findall(r"^WARNING.*", done.stderr, re.MULTILINE)


def test_no_warning_and_no_broken_link(tmp_path: Path) -> None:
    done = build(ROOT / "packaging/mkdocs.yml", tmp_path / "site")
    assert (done.returncode, warnings(done)) == (0, []), done.stderr
    assert (tmp_path / "site/docs/mqtt/index.html").is_file()


def test_broken_links_fail(tmp_path: Path) -> None:
    config = tmp_path / "mkdocs.yml"
    shutil.copy(ROOT / "packaging/mkdocs.yml", config)
    shutil.copytree(ROOT / "packaging/site", tmp_path / "site", ignore=shutil.ignore_patterns("*.npz", "*.tflite"))
    broken = ["docs/missing.md", "docs/mqtt.md#missing", "/docs/mqtt.md", "docs/mqtt"]
    with (tmp_path / "site/SECURITY.md").open("a", encoding="utf-8") as page:
        page.writelines(f"\n[broken]({link})\n" for link in broken)
    done = build(config, tmp_path / "built")
    assert done.returncode == 1
    assert len(warnings(done)) == len(broken)
    assert all(any(f"'{link}'" in warning for warning in warnings(done)) for link in broken)
