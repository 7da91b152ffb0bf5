"""Installed packages."""

from __future__ import annotations

from setuptools.config.setupcfg import read_configuration

from tests.support import ROOT


def test_every_package_is_installed() -> None:
    found = read_configuration(ROOT / "setup.cfg")["options"]["packages"]
    folders = [file.parent.relative_to(ROOT) for file in (ROOT / "kws").rglob("__init__.py")]
    assert sorted(found) == sorted(".".join(folder.parts) for folder in folders)
