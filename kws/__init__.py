"""kws: a streaming keyword spotter that runs as a background service."""

__version__ = "0.1.0"
