"""What is installed is all that there is."""

from __future__ import annotations

from configparser import ConfigParser

from tests.conftest import ROOT


def test_every_package_is_installed() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    listed = setup["options"]["packages"].split()
    folders = sorted(file.parent.relative_to(ROOT) for file in (ROOT / "kws").rglob("__init__.py"))
    assert sorted(listed) == sorted(["kws.models", *(".".join(folder.parts) for folder in folders)])
