"""Detections as lines of text, on standard output or wherever a stream leads."""

from __future__ import annotations

import sys
from typing import Literal, TextIO

import msgspec

from kws.publishers.base import PublishError
from kws.publishers.formats import FORMATS
from kws.types import Detection


class LineOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``stdout``.

    Attributes:
        format: of the lines.
    """

    format: Literal["json", "text", "tsv"] = "json"


class LinePublisher:
    """One flushed line for each detection.

    Args:
        options: the format.
        stream: where to; None for standard output.
    """

    def __init__(self, options: LineOptions | None = None, stream: TextIO | None = None) -> None:
        self.name = "standard output" if stream is None else getattr(stream, "name", "lines")
        self._line = FORMATS[(options or LineOptions()).format]
        self._stream = stream or sys.stdout

    def publish(self, detection: Detection, deadline: float) -> None:  # noqa: ARG002 - a stream has no time limit
        try:
            print(self._line(detection), file=self._stream, flush=True)
        except (OSError, ValueError) as error:  # a ValueError is a stream that has been closed
            raise PublishError(f"cannot be written: {error}") from None

    def close(self) -> None:
        """The stream is its owner's."""
