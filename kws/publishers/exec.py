"""A command that runs for each detection.

Without a shell: a command is a list of arguments, and the values of a detection go into those arguments or into the
environment. No value can become syntax.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from kws.errors import OptionError
from kws.publishers.base import PublishError
from kws.publishers.formats import as_dict
from kws.publishers.settings import FIELDS, ExecOptions
from kws.types import Detection

_log = logging.getLogger(__name__)

#: Seconds that a process has to end after a signal.
_GRACE_SECONDS = 2.0

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")

#: Variables of the service that commands do not get.
_SECRETS = ("KWS_MQTT_PASSWORD", "CREDENTIALS_DIRECTORY")

Command = str | Sequence[str]


class CommandPublisher:
    """Runs commands, and logs how they ended.

    What a command prints on standard output goes to standard error: standard output is for detections.

    Raises:
        OptionError: a command is empty, cannot be split, names a value that a detection does not have, or a program
            that does not exist.

    Attributes:
        programs: the paths of the programs that the commands run; empty with a shell.
    """

    def __init__(self, options: ExecOptions) -> None:
        self._options = options
        named = {f"commands.{keyword}": command for keyword, command in options.commands.items()}
        if options.command is not None:
            named = {"command": options.command, **named}
        if not named:
            raise OptionError("command", "is missing")
        self._commands = {field: _parse(command, field, shell=options.shell) for field, command in named.items()}
        self.name = f"exec {next(iter(self._commands.values()))[2 if options.shell else 0]}"
        found = [] if options.shell else [_find(arguments[0], field) for field, arguments in self._commands.items()]
        self.programs = tuple(dict.fromkeys(found))
        self._slots = threading.Semaphore(options.at_once)
        self._running: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def publish(self, detection: Detection, deadline: float) -> None:
        """Start the command of a detection, and do not wait for its end."""
        command = self._commands.get(f"commands.{detection.keyword}", self._commands.get("command"))
        if command is None:
            return
        if not self._slots.acquire(timeout=min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)):
            raise PublishError(f"{self._options.at_once} commands were still running")
        values = dict.fromkeys(FIELDS, "") | {field: str(value) for field, value in as_dict(detection).items()}
        arguments = command if self._options.shell else [fill(argument, values) for argument in command]
        try:
            process = subprocess.Popen(
                arguments, env=_environment(values), stdin=subprocess.DEVNULL, stdout=2, start_new_session=True
            )
        except (OSError, ValueError) as error:
            self._slots.release()
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise PublishError(f"{arguments[0]} cannot be run: {reason}") from None
        waiter = threading.Thread(target=self._wait, args=(process, detection.keyword), name=self.name, daemon=True)
        with self._lock:
            self._running.add(waiter)
        waiter.start()

    def close(self) -> None:
        """Wait for running commands, which end within their time limit."""
        with self._lock:
            running = tuple(self._running)
        for waiter in running:
            waiter.join(self._options.timeout + 2 * _GRACE_SECONDS)

    def _wait(self, process: subprocess.Popen[bytes], keyword: str) -> None:
        try:
            code = process.wait(self._options.timeout)
        except subprocess.TimeoutExpired:
            _log.warning("%s: still running after %g s (%s); ended", self.name, self._options.timeout, keyword)
            _end(process)
        else:
            how = f"ended by signal {-code}" if code < 0 else f"exit code {code}"
            _log.log(logging.WARNING if code else logging.DEBUG, "%s: %s (%s)", self.name, how, keyword)
        finally:
            self._slots.release()
            with self._lock:
                self._running.discard(threading.current_thread())


def fill(argument: str, values: Mapping[str, str]) -> str:
    """Replace ``{name}`` in an argument by its value, and ``{{`` and ``}}`` by single braces.

    Raises:
        ValueError: an unknown name, or a single brace.
    """

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            if len(match[0]) == 2:
                return match[0][0]
            raise ValueError(f"a single {match[0]} in {argument!r}; write it twice for a literal brace")
        if name not in values:
            raise ValueError(f"{{{name}}} in {argument!r} is not a value; choose from {', '.join(values)}")
        return values[name]

    return _BRACES.sub(replace, argument)


def _parse(command: Command, field: str, *, shell: bool) -> tuple[str, ...]:
    """Return the arguments of a command, or raise an OptionError."""
    try:
        return ("/bin/sh", "-c", _shell_line(command)) if shell else _arguments(command)
    except ValueError as error:
        raise OptionError(field, str(error)) from None


def _find(program: str, field: str) -> str:
    """Return the path of a program, or raise an OptionError."""
    path = shutil.which(program)
    if path is None and not _BRACES.search(program):
        raise OptionError(field, f"there is no program {program!r}")
    return path or program


def _arguments(command: Command) -> tuple[str, ...]:
    try:
        arguments = tuple(shlex.split(command)) if isinstance(command, str) else tuple(command)
    except ValueError as error:  # an open quote
        raise ValueError(f"{str(error).lower()} in {command!r}") from None
    if not arguments or not arguments[0]:
        raise ValueError("is empty")
    for argument in arguments:
        if "\0" in argument:
            raise ValueError("an argument cannot hold a NUL byte")
        fill(argument, dict.fromkeys(FIELDS, ""))
    return arguments


def _shell_line(command: Command) -> str:
    """Return a line for the shell; it may not hold values, which would become syntax."""
    if not isinstance(command, str) or not command.strip():
        raise ValueError("must be one line of text for the shell")
    for field in FIELDS:
        if f"{{{field}}}" in command:
            raise ValueError(f'with shell = true write "$KWS_{field.upper()}" for {{{field}}}')
    return command


def _environment(values: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    return inherited | {f"KWS_{field.upper()}": value for field, value in values.items()}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and its children: with SIGTERM, then with SIGKILL, because children may outlive the command."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)
