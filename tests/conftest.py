"""Fixtures that tests of several packages use."""

from __future__ import annotations

import functools
import gc
import logging
import os
import re
import secrets
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# As the command kws has it: on a busy machine OpenBLAS's threads wait for each other, at twenty times the cost.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from kws.audio.recordings import read_audio
from kws.corpus import clips
from tests.support import ROOT
from tests.support.broker import broker, stopped_broker, subscriber  # noqa: F401 - fixtures
from tests.support.examples import ALL, QUICK
from tests.support.sound_server import sound_server, stopped_sound_server  # noqa: F401 - fixtures

#: Fixtures that start a process, a broker or a sound server.
PROCESS_FIXTURES = frozenset({"stopped_broker", "stopped_sound_server", "small_disk", "listen", "detections"})

#: A module of which every test trains.
TRAINS = re.compile(r"^pytestmark = \[?\s*pytest\.mark\.training", re.MULTILINE)

# How long an example takes depends on the machine. The quick tests try fewer examples.
hypothesis.settings.register_profile("full", deadline=None, max_examples=ALL)
hypothesis.settings.register_profile("quick", deadline=None, max_examples=QUICK)


def is_quick(config: pytest.Config) -> bool:
    return bool(config.getoption("markexpr") == "not process")


def pytest_configure(config: pytest.Config) -> None:
    # A shell lets its background jobs ignore Control-C, and they pass that on to the programs that they start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    hypothesis.settings.load_profile("quick" if is_quick(config) else "full")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave modules that only train out of the quick tests: importing them loads TensorFlow and PyTorch."""
    trains = collection_path.suffix == ".py" and TRAINS.search(collection_path.read_text())
    return True if is_quick(config) and trains else None


@pytest.hookimpl(tryfirst=True)  # before pytest selects by marker
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that start a process, or train, so that ``-m "not process"`` leaves the quick ones."""
    for item in items:
        if item.get_closest_marker("training") or starts_a_process(item):
            item.add_marker("process")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse quick tests that load TensorFlow or PyTorch: that takes each process seconds."""
    if is_quick(session.config) and (loaded := {"tensorflow", "torch"} & set(sys.modules)):
        raise pytest.UsageError(f"the quick tests import {', '.join(loaded)}; mark these with pytest.mark.training")
    gc.freeze()  # what was imported stays: no collection in a test need go through it


def starts_a_process(item: pytest.Item) -> bool:
    """Return True for a test with such a fixture, and for those of a module that runs the command ``kws``."""
    if not PROCESS_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
        return True
    used = vars(item.module).values() if isinstance(item, pytest.Function) else ()
    return any(getattr(value, "__module__", "") == "tests.support.program" for value in used)


@pytest.fixture(autouse=True)
def state_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a state directory of its own, so that nothing that it sets outlives it."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.getbasetemp() / "state" / secrets.token_hex(8)))


@pytest.fixture(autouse=True)
def log_as_imported() -> None:
    """A command that ran within an earlier test has set up the log, and would keep messages from pytest."""
    log = logging.getLogger("kws")
    log.handlers.clear()
    log.setLevel(logging.NOTSET)
    log.propagate = True


@pytest.fixture(scope="session")
def decoded_once() -> Iterator[None]:
    """From now on each recording of a corpus is decoded once: the bank of negatives lasts a quarter of an hour."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clips, "read_audio", functools.cache(read_audio))
        yield


@pytest.fixture(scope="session")
def model_folder() -> Path:
    """The shipped model, or the one whose folder the environment variable KWS_TEST_MODEL names."""
    folder = Path(os.environ.get("KWS_TEST_MODEL") or ROOT / "models" / "commands").resolve()
    if not (folder / "model.json").is_file():
        pytest.skip(f"no model in {folder}")
    return folder
