from __future__ import annotations

import json
import logging
import math
import sys
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kws.errors import OptionError
from kws.publishers.base import PublishError
from kws.publishers.exec import CommandPublisher, fill
from kws.publishers.settings import ExecOptions
from tests.support.publishers import detection
from tests.support.waiting import wait_until

pytestmark = pytest.mark.process

LOGGER = "kws.publishers.exec"
REPORT = (
    "import json, os, sys; "
    "found = {k: v for k, v in os.environ.items() if k.startswith('KWS_') and not k.startswith('KWS_TEST_')}; "
    "json.dump([sys.argv[2:], found], open(sys.argv[1], 'x'))"
)


def run(options: ExecOptions, *keywords: str, wake: str | None = None) -> CommandPublisher:
    """Run the commands for some keywords to their end."""
    publisher = CommandPublisher(options)
    for keyword in keywords:
        publisher.publish(detection(keyword, wake=wake), math.inf)
    publisher.close()
    return publisher


def shell(command: str | tuple[str, ...], *, timeout: float = 10) -> ExecOptions:
    return msgspec.convert({"command": command, "shell": True, "timeout": timeout}, ExecOptions)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def report(path: Path) -> tuple[list[str], dict[str, str]]:
    arguments, environment = json.loads(path.read_text())
    return arguments, environment


def test_values_come_as_arguments_and_in_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KWS_MQTT_PASSWORD", "secret")
    out, script = tmp_path / "out", tmp_path / "report.py"
    script.write_text(REPORT)
    run(
        ExecOptions(command=(sys.executable, str(script), str(out), "{keyword}", "at {score}", "{{{end}}}", "{wake}")),
        "on",
        wake="computer",
    )
    arguments, environment = report(out)
    assert arguments == ["on", "at 0.97", "{12.3}", "computer"]
    assert environment == {
        "KWS_KEYWORD": "on",
        "KWS_SCORE": "0.97",
        "KWS_START": "11.62",
        "KWS_END": "12.3",
        "KWS_TIME": "2026-01-01T12:00:00.123Z",
        "KWS_MODEL": "commands",
        "KWS_WAKE": "computer",
        "KWS_SITE": "",
    }


def test_a_line_is_split_as_a_shell_would_and_then_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = tmp_path / "report.py"
    script.write_text(REPORT)
    run(ExecOptions(command=f"{sys.executable} {script} {out} 'two words' $HOME *.py {{keyword}}"), "x; touch injected")
    assert report(out)[0] == ["two words", "$HOME", "*.py", "x; touch injected"]
    assert not Path("injected").exists()


def test_a_keyword_may_have_a_command_of_its_own(tmp_path: Path) -> None:
    options = ExecOptions(
        command=("touch", f"{tmp_path}/any-{{keyword}}"), commands={"off": f"touch {tmp_path}/own-{{keyword}}"}
    )
    run(options, "on", "off")
    assert names(tmp_path) == ["any-on", "own-off"]


def test_a_keyword_without_a_command_runs_none(tmp_path: Path) -> None:
    run(ExecOptions(commands={"off": ("touch", f"{tmp_path}/off")}), "on")
    assert names(tmp_path) == []


def test_a_shell_is_there_when_asked_for(tmp_path: Path) -> None:
    run(shell(f'echo "$KWS_KEYWORD" | tr a-z A-Z > {tmp_path}/out'), "on; exit 7")
    assert (tmp_path / "out").read_text() == "ON; EXIT 7\n"


def test_exit_codes_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, LOGGER):
        run(ExecOptions(command=("false",)), "on")
        run(ExecOptions(command=("true",)), "off")
        run(shell("kill -9 $$"), "stop")
    assert caplog.messages == [
        "exec false: exit code 1 (on)",
        "exec true: exit code 0 (off)",
        "exec kill -9 $$: ended by signal 9 (stop)",
    ]
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.DEBUG, logging.WARNING]


def test_a_time_limit_ends_a_command_and_its_children(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pid = tmp_path / "pid"
    run(shell(f"sleep 60 & echo $! > {pid}; wait", timeout=2), "on")
    assert "still running after 2 s (on); ended" in caplog.text
    status = Path(f"/proc/{pid.read_text().strip()}/status")
    # It was sent the signal, but init, its parent now, may take a moment to reap it.
    wait_until(lambda: not status.exists() or "zombie" in status.read_text(), "end of the command's child")


def test_no_more_than_so_many_run_at_once(tmp_path: Path) -> None:
    line = f"touch {tmp_path}/$KWS_KEYWORD; until [ -e {tmp_path}/go ]; do sleep 0.02; done"
    publisher = CommandPublisher(ExecOptions(command=("sh", "-c", line), at_once=2))
    publisher.publish(detection("1"), math.inf)
    publisher.publish(detection("2"), math.inf)
    with pytest.raises(PublishError, match="2 commands were still running"):
        publisher.publish(detection("3"), time.monotonic() + 0.05)
    (tmp_path / "go").touch()
    publisher.publish(detection("4"), math.inf)
    publisher.close()
    assert names(tmp_path) == ["1", "2", "4", "go"]


def test_a_program_that_goes_is_said(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.touch(0o755)
    publisher = CommandPublisher(ExecOptions(command=(str(program),), at_once=1))
    program.unlink()
    for _ in range(2):  # and the place is free again
        with pytest.raises(PublishError, match=rf"^{program} cannot be run: No such file or directory$"):
            publisher.publish(detection(), time.monotonic() + 1)
    publisher.close()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ExecOptions(), "command: is missing"),
        (ExecOptions(command="no-such-program x"), "command: there is no program 'no-such-program'"),
        (
            ExecOptions(command="true", commands={"on": ("/etc/passwd",)}),
            "commands.on: there is no program '/etc/passwd'",
        ),
        (ExecOptions(command=""), "command: is empty"),
        (ExecOptions(command=("", "x")), "command: is empty"),
        (ExecOptions(command="say 'on"), 'command: no closing quotation in "say \'on"'),
        (
            ExecOptions(commands={"on": "say {word}"}),
            r"commands.on: {word} in '{word}' is not a value; choose from keyword, .*, wake, site$",
        ),
        (ExecOptions(command="say {keyword.__class__}"), "command: {keyword.__class__} in .* is not a value"),
        (ExecOptions(command=("say", "{")), r"command: a single { in '{'; write it twice for a literal brace"),
        (
            shell("say {keyword}"),
            'command: with shell = true write "\\$KWS_KEYWORD" for {keyword}',
        ),
        (shell(("say",)), "command: must be one line of text for the shell"),
    ],
)
def test_what_is_wrong_with_a_command_is_found_before_it_runs(options: ExecOptions, message: str) -> None:
    with pytest.raises(OptionError, match=f"^{message}"):
        CommandPublisher(options)


@given(st.text())
def test_a_value_is_never_taken_for_a_template(value: str) -> None:
    assert fill("<{keyword}>", {"keyword": value}) == f"<{value}>"


@given(st.text())
def test_any_text_can_be_written_with_braces_twice(text: str) -> None:
    assert fill(text.replace("{", "{{").replace("}", "}}"), {}) == text
