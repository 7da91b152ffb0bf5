"""A command that is run for each detection.

No shell stands between, unless it is asked for: a command is a list of arguments, and the values of a detection are
put into arguments that exist already, or into the environment. Nothing that was heard can become syntax.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated

import msgspec

from kws.errors import UsageError
from kws.publishers.base import PublishError
from kws.publishers.formats import as_dict
from kws.types import Detection

_log = logging.getLogger(__name__)

FIELDS = ("keyword", "score", "start", "end", "time", "model", "wake", "site")

#: Seconds between the request to end and the end.
_GRACE = 2.0

_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")

#: What the environment of a daemon may hold and a command has no business to see.
_SECRETS = ("KWS_MQTT_PASSWORD", "CREDENTIALS_DIRECTORY")


class ExecOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``exec``.

    Attributes:
        command: for every keyword that has none of its own: one line, split as a shell would and then left alone, or
            a list of arguments. ``{keyword}``, ``{score}`` and the other :data:`FIELDS` are filled in.
        commands: for single keywords, instead.
        shell: run ``command`` by ``/bin/sh -c``; values are then in the environment only (``$KWS_KEYWORD``).
        timeout: seconds after which a command is ended.
        at_once: commands that run at the same time at most; a detection waits for one to end.
        max_age: seconds that it waits at most.
    """

    command: str | tuple[str, ...] | None = None
    commands: dict[str, str | tuple[str, ...]] = {}
    shell: bool = False
    timeout: Annotated[float, msgspec.Meta(gt=0, le=86400)] = 10.0
    at_once: Annotated[int, msgspec.Meta(ge=1, le=100)] = 4
    max_age: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 5.0


class CommandPublisher:
    """Runs commands, at most ``at_once`` at a time, and logs how they ended.

    What a command prints on standard output goes to standard error, for standard output belongs to detections.

    Args:
        options: which commands, and their limits.

    Attributes:
        programs: that are run; none by name where a shell runs them.

    Raises:
        UsageError: a command is empty, cannot be split, or asks for a value that a detection does not have.
    """

    def __init__(self, options: ExecOptions) -> None:
        self._options = options
        self._general = None if options.command is None else _parse(options.command, "command", shell=options.shell)
        self._single = {
            keyword: _parse(command, f"commands.{keyword}", shell=options.shell)
            for keyword, command in options.commands.items()
        }
        if self._general is None and not self._single:
            raise UsageError("exec: names no command")
        names = [command[2 if options.shell else 0] for command in (self._general, *self._single.values()) if command]
        self.name = f"exec {names[0]}"
        self.programs = () if options.shell else tuple(dict.fromkeys(names))
        self._slots = threading.Semaphore(options.at_once)
        self._running: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def publish(self, detection: Detection, deadline: float) -> None:
        """Start the command for a detection; wait for a free place, not for its end."""
        command = self._single.get(detection.keyword, self._general)
        if command is None:
            return
        if not self._slots.acquire(timeout=min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX)):
            raise PublishError(f"{self._options.at_once} commands still ran")
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
        """Wait for the commands that run; their time limits end that."""
        with self._lock:
            running = tuple(self._running)
        for waiter in running:
            waiter.join(self._options.timeout + 2 * _GRACE)

    def _wait(self, process: subprocess.Popen[bytes], keyword: str) -> None:
        try:
            code = process.wait(self._options.timeout)
        except subprocess.TimeoutExpired:
            _log.warning("%s: still ran %g s after %s; it is ended", self.name, self._options.timeout, keyword)
            _end(process)
        else:
            level = logging.WARNING if code else logging.DEBUG
            how = f"was ended by signal {-code}" if code < 0 else f"exit code {code}"
            _log.log(level, "%s: %s (%s)", self.name, how, keyword)
        finally:
            self._slots.release()
            with self._lock:
                self._running.discard(threading.current_thread())


def fill(argument: str, values: Mapping[str, str]) -> str:
    """One argument with ``{name}`` replaced by values, and ``{{`` and ``}}`` by single braces.

    Raises:
        UsageError: a name that is none of the values, or a brace alone.
    """

    def replace(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            if len(match[0]) == 2:
                return match[0][0]
            raise UsageError(f"a single {match[0]} in {argument!r}; write it twice if it is meant")
        if name not in values:
            raise UsageError(f"{{{name}}} in {argument!r} is no value of a detection; there are {', '.join(values)}")
        return values[name]

    return _BRACES.sub(replace, argument)


def _parse(command: str | Sequence[str], path: str, *, shell: bool) -> tuple[str, ...]:
    """The arguments of a command, checked."""
    try:
        if shell:
            return ("/bin/sh", "-c", _shell_line(command))
        return _arguments(command)
    except UsageError as error:
        raise UsageError(f"exec.{path}: {error}") from None


def _arguments(command: str | Sequence[str]) -> tuple[str, ...]:
    try:
        arguments = tuple(shlex.split(command)) if isinstance(command, str) else tuple(command)
    except ValueError as error:  # an open quote
        raise UsageError(f"{str(error).lower()} in {command!r}") from None
    if not arguments or not arguments[0]:
        raise UsageError("it is empty")
    for argument in arguments:
        if "\0" in argument:
            raise UsageError("a NUL byte cannot be in an argument")
        fill(argument, dict.fromkeys(FIELDS, ""))
    return arguments


def _shell_line(command: str | Sequence[str]) -> str:
    """A line for a shell: values are refused, for what was heard must not become syntax."""
    if not isinstance(command, str) or not command.strip():
        raise UsageError("a command for the shell is one line of text")
    for field in FIELDS:
        if f"{{{field}}}" in command:
            raise UsageError(f'nothing is filled into a shell\'s line; write "$KWS_{field.upper()}" for {{{field}}}')
    return command


def _environment(values: Mapping[str, str]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    return inherited | {f"KWS_{field.upper()}": value for field, value in values.items()}


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command and whatever it started: asked first, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
            if number == signal.SIGTERM:
                continue  # children may have stayed behind
            return
