"""kws: a streaming keyword spotter that runs as a background service."""

__version__ = "0.1.0"

#: The model that is used if none is named: the one that detects best in a stream.
DEFAULT_MODEL = "commands"
