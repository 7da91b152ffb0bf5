"""The exceptions whose message a user sees, each with its exit code.

Each message is one line that names what is wrong and how to fix it. The command line prints it after ``kws:`` and exits
with :attr:`KwsError.exit_code`. Any other exception is a defect of kws.
"""

from __future__ import annotations


class KwsError(Exception):
    """Something failed at run time that the user can understand and fix."""

    exit_code = 1


class UsageError(KwsError):
    """A wrong option, argument or configuration value."""

    exit_code = 2


class OptionError(UsageError):
    """A wrong option, by the name of its field; the surface that shows the error says what it calls the field.

    A source raises ``OptionError("rate", "must be ...")``; the composition root calls :meth:`inside` with
    ``"source"``; the configuration then names ``source.rate`` and the command line ``--rate``.

    Attributes:
        field: a path in the configuration, such as ``source.rate``, relative to the part that raises the error;
            empty for the part as a whole.
        problem: what is wrong and what would be right, without the field's name.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}" if field else problem)
        self.field = field
        self.problem = problem

    def inside(self, table: str) -> OptionError:
        """Return the same error with the field's path as seen from outside the table."""
        dot = "." if table and self.field and not self.field.startswith("[") else ""
        return OptionError(f"{table}{dot}{self.field}", self.problem)


class AbsentError(UsageError):
    """No microphone has this name: the name is wrong, or the microphone is not plugged in."""


class AudioError(KwsError):
    """A recording, a pipe or a microphone cannot be read."""


class ModelError(KwsError):
    """A model folder is incomplete or altered, or does not fit the network in it."""
