"""What can go wrong for a user, as exceptions that carry their exit code.

Every message is one line that names the thing that is wrong and how to mend it; the command line prints
it after ``kws:`` and exits with :attr:`KwsError.exit_code`. Anything else that is raised is a defect of ours.
"""

from __future__ import annotations


class KwsError(Exception):
    """Something failed at run time that the user can understand and mend."""

    exit_code = 1


class UsageError(KwsError):
    """A wrong option, argument or configuration value."""

    exit_code = 2


class OptionError(UsageError):
    """An option that is wrong, by the name of its field; whoever shows it says what the field is called there.

    A source raises ``OptionError("rate", "must be ...")``; the composition root calls :meth:`inside` with
    ``"source"``, and the message names ``source.rate`` for a configuration file and ``--rate`` for a command line.

    Attributes:
        field: a path in the configuration, such as ``source.rate``, relative to the part that raises it.
        problem: what is wrong and what would be right, without the field's name.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem

    def inside(self, table: str) -> OptionError:
        """The same error with the field's path as seen from outside the table."""
        return OptionError(f"{table}.{self.field}", self.problem)


class AudioError(KwsError):
    """A recording, a pipe or a microphone that cannot be read."""


class ModelError(KwsError):
    """A model folder that is incomplete, altered or does not fit the network in it."""
