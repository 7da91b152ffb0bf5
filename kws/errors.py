"""What can go wrong for a user, as exceptions that carry their exit code.

Every message is one line that names the thing that is wrong and how to mend it; the command line prints
it after ``kws:`` and exits with :attr:`KwsError.exit_code`. Anything else that is raised is a defect of ours.
"""


class KwsError(Exception):
    """Something failed at run time that the user can understand and mend."""

    exit_code = 1


class UsageError(KwsError):
    """A wrong option, argument or configuration value."""

    exit_code = 2


class AudioError(KwsError):
    """A recording, a pipe or a microphone that cannot be read."""


class ModelError(KwsError):
    """A model folder that is incomplete, altered or does not fit the network in it."""
