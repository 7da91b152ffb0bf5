"""Detections as lines of text, on standard output or on another stream."""

from __future__ import annotations

import sys
from typing import Literal, TextIO

import msgspec

from kws.publishers.base import PublishError
from kws.publishers.formats import FORMATS
from kws.types import Detection


class LineOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``stdout``: the format of the lines."""

    format: Literal["json", "text", "tsv"] = "json"


class LinePublisher:
    """Writes one line for each detection, and flushes it. The stream (None for standard output) is not closed."""

    def __init__(self, options: LineOptions = LineOptions(), stream: TextIO | None = None) -> None:  # noqa: B008 - frozen
        self.name = "standard output" if stream is None else getattr(stream, "name", "lines")
        self._line = FORMATS[options.format]
        self._stream = stream or sys.stdout

    def publish(self, detection: Detection, deadline: float) -> None:  # noqa: ARG002 - a stream has no time limit
        try:
            print(self._line(detection), file=self._stream, flush=True)
        except (OSError, ValueError) as error:  # a ValueError if the stream is closed
            raise PublishError(f"cannot be written: {error}") from None

    def close(self) -> None:
        pass
