"""The distributions: what is in them, and that they work in an empty environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from setuptools.config.setupcfg import read_configuration

from tests.support import ROOT

PARTS = ("kws", "models", "docs", "scripts", "systemd", "setup.cfg", "pyproject.toml", "MANIFEST.in", "README.md",
         "LICENSE")  # fmt: skip


def test_every_package_is_installed() -> None:
    found = read_configuration(ROOT / "setup.cfg")["options"]["packages"]
    folders = [file.parent.relative_to(ROOT) for file in (ROOT / "kws").rglob("__init__.py")]
    assert sorted(found) == sorted(".".join(folder.parts) for folder in folders)


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed, with the settings of pip but outside this checkout, and return its output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout: a build leaves files beside the sources, and would include those of an earlier build."""
    copy = tmp_path_factory.mktemp("sources")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, copy / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, copy)
    return copy


@pytest.fixture(scope="module")
def built(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a source distribution, and of the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "build", "--outdir", folder, sources, cwd=folder)
    return folder


def wheel(built: Path) -> Path:
    return next(built.glob("kws-*-py3-none-any.whl"))


@pytest.mark.process
def test_the_package_index_accepts_them(built: Path) -> None:
    files = sorted(built.iterdir())
    assert [file.name.rpartition("-")[2] for file in files] == ["any.whl", f"{version()}.tar.gz"]
    run(sys.executable, "-m", "twine", "check", "--strict", *files, cwd=built)


def version() -> str:
    return str(read_configuration(ROOT / "setup.cfg")["metadata"]["version"])


@pytest.mark.process
def test_the_wheel_has_the_package_its_models_and_nothing_else(built: Path, sources: Path) -> None:
    names = zipfile.ZipFile(wheel(built)).namelist()
    packed = {name for name in names if ".dist-info/" not in name}
    files = [(sources / "kws", "kws"), (sources / "models", "kws/models")]
    assert packed == {
        f"{prefix}/{file.relative_to(folder)}"
        for folder, prefix in files
        for file in folder.rglob("*")
        if file.is_file()
    }
    assert f"kws-{version()}.dist-info/licenses/LICENSE" in names


@pytest.mark.process
def test_the_source_distribution_has_what_installs_the_service(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        top = {Path(name).parts[1] for name in archive.getnames() if "/" in name}
    # Models are copied to where the package has a link to them.
    assert top == {*PARTS, "kws.egg-info", "PKG-INFO"} - {"models"}


@pytest.mark.process
def test_the_wheel_hears_the_demo_in_an_empty_environment(built: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "empty", cwd=tmp_path)
    run(tmp_path / "empty/bin/pip", "install", "--quiet", wheel(built), cwd=tmp_path)
    demo = ROOT / "kws/data/demo.tsv"
    said = [line.split("\t")[2] for line in demo.read_text(encoding="utf-8").splitlines()[1:]]
    heard = run(tmp_path / "empty/bin/kws", "listen", "--demo", "--format", "tsv", cwd=tmp_path)
    assert [line.split("\t")[0] for line in heard.splitlines()] == said
