"""How log lines look: plain for pipes, with the time for people, with priorities for systemd's journal, as JSON."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import msgspec

Level = Literal["debug", "info", "warning", "error"]


class LogOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``log``.

    Attributes:
        format: lines for people, or one JSON object a line.
        level: the least that is said.
    """

    format: Literal["text", "json"] = "text"
    level: Level = "info"


def set_up(
    options: LogOptions = LogOptions(),  # noqa: B008 - frozen
    *,
    times: bool = False,
    stream: TextIO | None = None,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Have all that kws logs go to standard error, in the form that suits it. Again to change it.

    Args:
        options: text is plain where a pipe or a file reads it; in systemd's journal, which has its own times, each
            line begins with its priority.
        times: whether lines on a terminal begin with the time, as befits what runs for long.
        stream: instead of standard error.
        environment: where systemd tells which file the journal is.
    """
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(options, stream, os.environ if environment is None else environment, times=times))
    root = logging.getLogger("kws")
    root.handlers[:] = [handler]
    root.setLevel(options.level.upper())
    root.propagate = False


def in_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether a stream is systemd's journal, which says which file it is: ``JOURNAL_STREAM`` is its device and inode.

    The variable alone says nothing, for it is inherited by whatever a service starts, wherever that writes to.
    """
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no file behind it, or closed
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


def _formatter(
    options: LogOptions, stream: TextIO, environment: Mapping[str, str], *, times: bool
) -> logging.Formatter:
    if options.format == "json":
        return _Json()
    if in_journal(stream, environment):
        return _Journal()
    if times and stream.isatty():
        return logging.Formatter("%(asctime)s kws: %(message)s", "%Y-%m-%d %H:%M:%S")
    return logging.Formatter("kws: %(message)s")


class _Journal(logging.Formatter):
    """Priorities as sd-daemon(3) has them. The journal takes each line for an entry, so each has its own."""

    def format(self, record: logging.LogRecord) -> str:
        mark = f"<{_priority(record.levelno)}>"
        return "\n".join(mark + line for line in super().format(record).split("\n"))


def _priority(level: int) -> int:
    """Of syslog(3): err, warning, info, debug."""
    if level >= logging.CRITICAL:
        return 2
    if level >= logging.ERROR:
        return 3
    if level >= logging.WARNING:
        return 4
    return 6 if level >= logging.INFO else 7


class _Json(logging.Formatter):
    """One object on one line; what was given as ``extra`` stands beside the message."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, Any] = {
            "time": time.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        fields.update((name, value) for name, value in vars(record).items() if name not in _OWN and name not in fields)
        return json.dumps(fields, ensure_ascii=False, default=str)


#: What every record has of itself.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
