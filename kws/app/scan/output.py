"""The output of a scan: a line for each detection, in the order of the recordings' names."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

from kws.app.scan.work import Outcome
from kws.common.files import replacing
from kws.errors import UsageError

#: The columns of a table.
COLUMNS = ("file", "keyword", "score", "start", "end", "wake")


def as_json_lines(outcome: Outcome) -> str:
    """Return a line of JSON for each detection. Bytes of a name that are not UTF-8 become escapes."""
    rows = ({"file": outcome.name, **detection} for detection in outcome.detections)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return text.encode("utf-8", "backslashreplace").decode()


def as_csv_lines(outcome: Outcome) -> str:
    """Return a line of CSV for each detection."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writerows({"file": outcome.name, **detection} for detection in outcome.detections)
    return text.getvalue()


def check_output(path: Path) -> None:
    """Check the name of an output.

    Raises:
        UsageError: its suffix names no format.
    """
    if path.suffix not in (".jsonl", ".csv"):
        raise UsageError(f"--out {path}: must end in .jsonl or .csv")


def write_output(path: Path, outcomes: Iterable[Outcome]) -> None:
    """Write the detections of all outcomes; a reader never finds the file half written.

    Raises:
        OSError: it cannot be written.
    """
    lines = as_csv_lines if path.suffix == ".csv" else as_json_lines
    with replacing(path, durable=True) as file:
        if path.suffix == ".csv":
            file.write(",".join(COLUMNS).encode() + b"\n")
        for outcome in sorted(outcomes, key=lambda one: one.name):
            file.write(lines(outcome).encode("utf-8", "surrogateescape"))
