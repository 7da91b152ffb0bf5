"""The output of ``kws listen``: detections as lines, scores, and near misses in the log."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from kws.decision import NearMiss
from kws.errors import UsageError
from kws.inference.model import Model
from kws.pipeline.pipeline import Scored
from kws.publishers.formats import FORMATS
from kws.publishers.observer import Observer
from kws.types import Detection

_log = logging.getLogger(__name__)


class ConsoleObserver(Observer):
    """Writes a line on standard output for each detection.

    Args:
        line_format: of the lines, see :data:`~kws.publishers.formats.FORMATS`.

    Attributes:
        stop: ends the service; called when standard output cannot be written to.
        scores: gets each window, if scores are asked for.
        failure: the error that writing to standard output ended with.
    """

    def __init__(self, line_format: str) -> None:
        self._line = FORMATS[line_format]
        self.stop: Callable[[], None] = lambda: None
        self.scores: Callable[[Scored], None] | None = None
        self.failure: OSError | None = None

    def window(self, site: str, scored: Scored) -> None:  # noqa: ARG002
        if self.scores:
            self.scores(scored)

    def detected(self, site: str, detection: Detection) -> None:  # noqa: ARG002
        try:
            if not self.failure:
                print(self._line(detection), flush=True)
        except OSError as error:
            self.failure = error
            self.stop()

    def near_miss(self, site: str, miss: NearMiss, sample_rate: int) -> None:  # noqa: ARG002
        _log.debug(
            "%.2f s: %s came to %.2f of %.2f and did not fire: %s",
            miss.end / sample_rate, miss.keyword, miss.score, miss.threshold, miss.reason,
        )  # fmt: skip


def open_scores(name: str) -> TextIO:
    """Open the file for ``--scores``; ``-`` is standard error.

    Raises:
        UsageError: it cannot be written.
    """
    if name == "-":
        return sys.stderr
    try:
        return Path(name).open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise UsageError(f"--scores {name}: {error.strerror}") from error


def score_writer(file: TextIO, model: Model) -> Callable[[Scored], None]:
    """Return a function that writes the posteriors of a window to a file: JSON Lines, or CSV if its name ends so."""

    def values(scored: Scored) -> dict[str, float]:
        posteriors = zip(model.labels, scored.posteriors.tolist(), strict=True)
        head = {"end": scored.end / model.front_end.sample_rate, "level": round(scored.level, 1)}
        return head | {label: round(value, 4) for label, value in posteriors}

    if file.name.endswith(".csv"):
        import csv  # noqa: PLC0415

        table = csv.DictWriter(file, ["end", "level", *model.labels], lineterminator="\n")
        table.writeheader()
        return lambda scored: table.writerow(values(scored))
    return lambda scored: print(json.dumps(values(scored)), file=file)
