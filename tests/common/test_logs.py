from __future__ import annotations

import io
import json
import logging
import os
import pty
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import pytest

from kws.common.logs import LogOptions, in_journal, set_up

_log = logging.getLogger("kws.test")


def test_the_defaults_find_out_by_themselves() -> None:
    assert LogOptions() == LogOptions(format="text", level="info")


def test_plain() -> None:
    stream = io.StringIO()
    set_up(times=True, stream=stream, environment={})
    _log.debug("nothing")
    _log.info("heard %s", "on")
    assert stream.getvalue() == "kws: heard on\n"


def test_set_up_again_replaces_what_was() -> None:
    first, second = io.StringIO(), io.StringIO()
    set_up(stream=first)
    set_up(LogOptions(format="json", level="error"), stream=second)
    _log.warning("no")
    _log.error("yes")
    assert first.getvalue() == ""
    assert json.loads(second.getvalue())["message"] == "yes"


def identity(file: IO[Any]) -> str:
    status = os.fstat(file.fileno())
    return f"{status.st_dev}:{status.st_ino}"


def test_the_journal_has_a_priority_on_each_line_and_no_time(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with path.open("w", encoding="utf-8") as stream:
        set_up(LogOptions(level="debug"), times=True, stream=stream, environment={"JOURNAL_STREAM": identity(stream)})
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
            _log.log(level, "a\nb")
        try:
            1 / 0  # noqa: B018
        except ZeroDivisionError:
            _log.exception("broke")
    lines = path.read_text().splitlines()
    assert lines[:10] == ["<7>a", "<7>b", "<6>a", "<6>b", "<4>a", "<4>b", "<3>a", "<3>b", "<2>a", "<2>b"]
    assert lines[10] == "<3>broke"
    assert lines[-1] == "<3>ZeroDivisionError: division by zero"
    assert all(line.startswith("<3>") for line in lines[10:])


def test_json_is_one_object_on_one_line_with_what_was_given_beside_it() -> None:
    stream = io.StringIO()
    set_up(LogOptions(format="json"), stream=stream)
    before = datetime.now(UTC)
    _log.warning("two\nlines of %s", "Küche", extra={"site": "kitchen", "path": Path("/x"), "level": "no"})
    after = datetime.now(UTC)
    assert stream.getvalue().count("\n") == 1
    line = json.loads(stream.getvalue())
    time = datetime.fromisoformat(line.pop("time"))
    assert line == {
        "level": "warning", "logger": "kws.test", "message": "two\nlines of Küche", "site": "kitchen", "path": "/x",
    }  # fmt: skip
    assert int(before.timestamp() * 1000) <= round(time.timestamp() * 1000) <= int(after.timestamp() * 1000) + 1


def test_json_holds_the_traceback() -> None:
    stream = io.StringIO()
    set_up(LogOptions(format="json"), stream=stream)
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        _log.exception("broke")
    assert json.loads(stream.getvalue())["exception"].splitlines()[-1] == "ZeroDivisionError: division by zero"


SCRIPT = """
import logging, sys
from kws.common.logs import set_up
set_up(times=True)
logging.getLogger("kws.test").warning("heard")
"""


def logged(*, stderr: int, **environment: str) -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True, env=os.environ | environment, stderr=stderr)


@pytest.mark.process
def test_a_terminal_gets_the_time() -> None:
    ours, theirs = pty.openpty()
    try:
        logged(stderr=theirs)
        line = os.read(ours, 1000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d kws: heard\r\n", line)


@pytest.mark.process
def test_the_journal_is_known_by_its_file_and_not_by_the_variable_alone(tmp_path: Path) -> None:
    journal, other = tmp_path / "journal", tmp_path / "other"
    with journal.open("wb") as file, other.open("wb") as another:
        logged(stderr=file.fileno(), JOURNAL_STREAM=identity(file))
        logged(stderr=another.fileno(), JOURNAL_STREAM=identity(file))
    assert journal.read_text() == "<4>heard\n"
    assert other.read_text() == "kws: heard\n"


def test_a_stream_without_a_file_is_no_journal() -> None:
    assert not in_journal(io.StringIO(), {"JOURNAL_STREAM": "1:2"})
