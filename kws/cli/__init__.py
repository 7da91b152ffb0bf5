"""The command ``kws``."""

from __future__ import annotations

import argparse
import errno
import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

# OpenBLAS would start a thread per core for products that take microseconds. It reads this when numpy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from kws import __version__
from kws.common.logs import LogOptions, set_up
from kws.errors import KwsError, UsageError

_log = logging.getLogger(__name__)

#: The commands, each a module of this package, in the order of the help.
_COMMANDS = ("listen", "run", "wyoming", "check", "config", "devices", "train", "export", "evaluate", "mix", "bench")

#: Errors of a file that can take no more data.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_EPILOGUE = """\
examples:
  kws listen                              spot keywords in the microphone
  kws listen recording.flac               ... in a recording
  arecord -q -f S16_LE -r 16000 -t raw | kws listen - --rate 16000
  kws listen | while read -r line; do echo "heard $line"; done
  kws devices                             the microphones there are
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return the exit code.

    It is 0 on success, 1 for a failure at run time, 2 for wrong usage or configuration.
    """
    _replace_missing_streams()
    try:
        try:
            options = _parser(sys.argv[1:] if arguments is None else arguments).parse_args(arguments)
            set_up(LogOptions(level="debug" if getattr(options, "verbose", 0) else "info"))
            code: int = options.run(options)
        finally:
            sys.stdout.flush()  # its errors are handled below
    except BrokenPipeError:
        # The reader of our lines has gone. That is how a pipe ends.
        _abandon_stdout()
        return 0
    except KeyboardInterrupt:
        _abandon_stdout()
        return 128 + signal.SIGINT
    except KwsError as error:
        _log.error("%s", error)
        return error.exit_code
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        _abandon_stdout()
        _log.error("cannot write: %s", error.strerror)
        return 1
    return code


def _replace_missing_streams() -> None:
    """Open the null device for standard output and error where the program was started without them."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end


def _abandon_stdout() -> None:
    """Keep the interpreter from writing the rest of a buffer to a closed pipe when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all errors of kws; the commands' parsers are of this class too."""

    def error(self, message: str) -> NoReturn:
        self.exit(UsageError.exit_code, f"kws: {message} (see {self.prog} --help)\n")


def _parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """Return the parser for these arguments. It knows only the command that they name: others load slowly."""
    parser = _Parser(
        prog="kws",
        description="A real-time streaming keyword spotter.",
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kws {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for name in arguments[:1] if arguments and arguments[0] in _COMMANDS else _COMMANDS:
        importlib.import_module(f"kws.cli.{name}").add_parser(commands)
    return parser
