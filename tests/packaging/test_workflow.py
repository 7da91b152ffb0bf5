"""The workflow of GitHub runs what a developer runs, on the Pythons that the package names."""

from __future__ import annotations

import os
import re

import pytest
from setuptools.config.setupcfg import read_configuration

from tests.support import ROOT

yaml = pytest.importorskip("yaml")


def test_it_calls_scripts_that_there_are_on_the_pythons_that_the_package_names() -> None:
    jobs = yaml.safe_load((ROOT / ".github/workflows/check.yml").read_text(encoding="utf-8"))["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    called = {path for command in commands for path in re.findall(r"(?<!\S)(?:\.ci|scripts|tools)/\S+", command)}
    assert ".ci/run" in called
    assert all(os.access(ROOT / path, os.X_OK) for path in called)
    names = read_configuration(ROOT / "setup.cfg")["metadata"]["classifiers"]
    minor = r"Programming Language :: Python :: (3\.\d+)"
    assert jobs["python"]["strategy"]["matrix"]["python"] == re.findall(minor, "\n".join(names))
