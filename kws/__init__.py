"""kws: a streaming keyword spotter that runs as a background service."""

__version__ = "0.1.0"

#: The model that is asked where none is named: of those that ship, the one that hears best in a stream.
DEFAULT_MODEL = "commands"
