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

# OpenBLAS would wake a thread per core for products that take microseconds; it reads this when numpy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from kws import __version__
from kws.common.logs import LogOptions, set_up
from kws.errors import KwsError, UsageError

_log = logging.getLogger(__name__)

#: Each is a module of this package, in the order in which the help lists them.
_COMMANDS = ("listen", "run", "check", "config", "devices", "train", "export", "evaluate", "mix", "bench")

#: What an operating system says when a file can take no more.
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
    """Run a command line; the exit code: 0 done, 1 something failed at run time, 2 wrong usage or configuration."""
    _replace_missing_streams()
    try:
        try:
            options = _parser(sys.argv[1:] if arguments is None else arguments).parse_args(arguments)
            set_up(LogOptions(level="debug" if getattr(options, "verbose", 0) else "info"))
            code: int = options.run(options)
        finally:
            sys.stdout.flush()  # here, where it is known what to do if that fails
    except BrokenPipeError:
        # Whoever read our lines has gone: that is how a pipe ends, and nothing is left to say.
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
    """Let a program that was started without standard output or error write them to nobody."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end


def _abandon_stdout() -> None:
    """Keep the interpreter from writing the rest of a buffer to a closed pipe when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, like every other error of ours; the commands' parsers are of this kind too."""

    def error(self, message: str) -> NoReturn:
        self.exit(UsageError.exit_code, f"kws: {message} (see {self.prog} --help)\n")


def _parser(arguments: Sequence[str] = ()) -> argparse.ArgumentParser:
    """The parser for these arguments: only of the command that they name, which saves others' loading at the start."""
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
