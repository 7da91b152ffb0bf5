"""The format of the log: plain for pipes, with times for terminals, with priorities for systemd's journal, or JSON."""

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
        format: lines for people, or one JSON object per line.
        level: the lowest level that is logged.
    """

    format: Literal["text", "json"] = "text"
    level: Level = "info"


def set_up(
    options: LogOptions = LogOptions(),  # noqa: B008 - frozen
    *,
    times: bool = False,
    stream: TextIO | None = None,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Send all that kws logs to standard error; call it again to change the options.

    Args:
        options: text lines in systemd's journal begin with their priority.
        times: begin lines on a terminal with the time.
        stream: instead of standard error.
        environment: names the file of systemd's journal.
    """
    stream = sys.stderr if stream is None else stream
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_formatter(options, stream, environment, times=times))
    root = logging.getLogger("kws")
    root.handlers[:] = [handler]
    root.setLevel(options.level.upper())
    root.propagate = False


def in_journal(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Return True if a stream is systemd's journal: ``JOURNAL_STREAM`` is the device and inode of that file.

    The variable alone proves nothing: a service's children inherit it, whatever they write to.
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


#: Priorities of syslog(3) by the lowest level that has them: crit, err, warning, info, debug.
_PRIORITIES = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6, logging.NOTSET: 7}


class _Journal(logging.Formatter):
    """Lines with the priorities of sd-daemon(3). The journal takes each line as an entry, so each gets its own."""

    def format(self, record: logging.LogRecord) -> str:
        priority = next(number for level, number in _PRIORITIES.items() if record.levelno >= level)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).split("\n"))


#: Attributes of every record; all others were given as ``extra``.
_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Json(logging.Formatter):
    """One object per line, with the ``extra`` fields beside the message."""

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
