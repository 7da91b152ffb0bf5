"""The command ``kws``."""

from __future__ import annotations

import argparse
import errno
import gc
import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

# OpenBLAS would start a thread per core for products that take microseconds. It reads this when numpy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from kws import __version__
from kws.common.logs import LogOptions, set_up
from kws.errors import KwsError, UsageError

_log = logging.getLogger(__name__)

#: The commands, each a module of this package, in the order of the help.
_COMMANDS = {
    "listen": "spot keywords, one line on stdout for each",
    "run": "run as a service: listen, and publish detections",
    "scan": "spot keywords in many recordings, on all cores or on a Dask cluster",
    "enroll": "learn a word of your own from about five recordings",
    "wyoming": "serve wake words to Home Assistant and voice satellites, by the Wyoming protocol",
    "check": "try the configuration, the model, every microphone, the broker and all files that are named",
    "config": "show the configuration in force",
    "devices": "list the microphones, by the names that --device takes",
    "train": "train a network on a folder of words",
    "export": "make a model folder of a training run",
    "evaluate": "measure accuracy on clips, or misses and false accepts on streams",
    "mix": "lay clips of words over noise: a labelled stream to evaluate on",
    "bench": "measure the cost of a second of sound on this machine",
}

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
            words = sys.argv[1:] if arguments is None else arguments
            options = _parsed(words)
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


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    """Parse a command line, for which the modules of its command are loaded.

    What that makes lives to the end. The garbage collector need not look for garbage in it, now, later or at the end.
    """
    gc.disable()
    try:
        return parser(words[0] if words else "").parse_args(words)
    finally:
        gc.freeze()
        gc.enable()


def _replace_missing_streams() -> None:
    """Open the null device for standard output and error where the program was started without them."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - open to the end


def _abandon_stdout() -> None:
    """Keep the interpreter from writing the rest of a buffer to a closed pipe when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Help(argparse.RawDescriptionHelpFormatter):
    """Lays out help. It finds the width as argparse does, but without ``shutil``, which takes time to load.

    argparse makes one for each argument that is added, not only for help.
    """

    def __init__(self, prog: str, **options: Any) -> None:
        try:
            columns = int(os.environ.get("COLUMNS", "0"))
        except ValueError:
            columns = 0
        if columns <= 0:
            try:
                columns = os.get_terminal_size(sys.__stdout__.fileno()).columns or 80  # type: ignore[union-attr]
            except (AttributeError, ValueError, OSError):  # no standard output, or no terminal
                columns = 80
        super().__init__(prog, **{"width": columns - 2, **options})


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like all errors of kws; the commands' parsers are of this class too.

    No argument may be empty: an empty path would be the current folder, as where a shell's variable is not set.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.register("type", None, _text)
        self.register("type", Path, lambda text: Path(_text(text)))

    def add_subparsers(self, **options: Any) -> Any:
        commands = super().add_subparsers(**options)
        commands.type = str  # it gets all arguments of the command, whose own parser names the empty one
        return commands

    def error(self, message: str) -> NoReturn:
        self.exit(UsageError.exit_code, f"kws: {message} (see {self.prog} --help)\n")


def _text(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must be text that is not empty")
    return text


def parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser of the command line.

    Args:
        command: the only command that it knows, as each takes time to load. If there is none of this name, it knows
            the names of all; None for all with their arguments.
    """
    top = _Parser(
        prog="kws",
        description="A real-time streaming keyword spotter.",
        epilog=_EPILOGUE,
        formatter_class=_Help,
    )
    top.add_argument("--version", action="version", version=f"kws {__version__}")
    commands = top.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for name in [command] if command in _COMMANDS else _COMMANDS:
        below = add_command(commands, name, _COMMANDS[name])
        if command in (None, name):
            importlib.import_module(f"kws.cli.{name}").add_arguments(below)
    return top


def add_command(commands: argparse._SubParsersAction[Any], name: str, summary: str) -> argparse.ArgumentParser:
    """Add a command with its summary, which is in the list of commands too."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        formatter_class=_Help,
    )
    return parser
