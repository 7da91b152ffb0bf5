"""The command ``kws``."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Sequence

# OpenBLAS would wake a thread per core for products that take microseconds; it reads this when numpy loads.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from kws import __version__
from kws.cli import bench, devices, evaluate, export, listen, mix, train
from kws.errors import KwsError

_COMMANDS = (listen, devices, train, export, evaluate, mix, bench)

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
    options = _parser().parse_args(arguments)
    _log_to_stderr(verbose=getattr(options, "verbose", 0))
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our lines has gone: that is how a pipe ends, and nothing is left to say.
        _abandon_stdout()
        return 0
    except KeyboardInterrupt:
        _abandon_stdout()
        return 128 + signal.SIGINT
    except KwsError as error:
        print(f"kws: {error}", file=sys.stderr)
        return error.exit_code
    return code


def _abandon_stdout() -> None:
    """Keep the interpreter from writing the rest of a buffer to a closed pipe when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kws",
        description="A real-time streaming keyword spotter.",
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kws {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, title="commands")
    for command in _COMMANDS:
        command.add_parser(commands)
    return parser


def _log_to_stderr(*, verbose: int) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("kws: %(message)s"))
    root = logging.getLogger("kws")
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO if verbose < 1 else logging.DEBUG)
    root.propagate = False
