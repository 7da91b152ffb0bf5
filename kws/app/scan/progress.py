"""The progress file: the outcome of each recording that was scanned, so that a scan can go on where it ended.

It lies beside the output and has one line of JSON for the settings, then one for each recording. Only complete lines
count, so a scan may be killed at any moment, and a power failure may take the last lines.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import msgspec

from kws.app.scan.recordings import Recording, shown
from kws.app.scan.work import Outcome
from kws.errors import UsageError

_FORMAT = 1


class ProgressFile:
    """A progress file, open and locked.

    Args:
        out: the output; the progress file has its name and ``.progress``.
        settings: that the results depend on, by their names.

    Raises:
        UsageError: the file cannot be used, another scan uses it, or it was made with other settings.

    Attributes:
        outcomes: the latest of each recording, by its path.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any]) -> None:
        path = out.with_name(f"{out.name}.progress")
        if out.exists() and not path.exists():
            raise UsageError(f"--out {shown(str(out))}: exists, but {path.name} does not; remove it or choose another")
        self._name = shown(str(path))
        self.outcomes: dict[str, Outcome] = {}
        try:
            self._file = path.open("a+b")
        except OSError as error:
            raise UsageError(f"{self._name}: {error.strerror}") from None
        try:
            self._begin({"kws_scan": _FORMAT, **json.loads(json.dumps(settings))})
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def is_done(self, recording: Recording) -> bool:
        """Return True if a recording was scanned without problems and has not changed since."""
        outcome = self.outcomes.get(recording.path)
        known = outcome and not outcome.problem and (outcome.size, outcome.mtime)
        return known == (recording.size, recording.mtime)

    def add(self, outcome: Outcome) -> None:
        """Keep an outcome.

        Raises:
            OSError: the disk is full.
        """
        self._write(msgspec.structs.asdict(outcome))
        self.outcomes[outcome.path] = outcome

    def named(self, recordings: Iterable[Recording]) -> Iterator[Outcome]:
        """Yield all outcomes, by the names that the recordings have now. Those of recordings that have gone stay."""
        names = {one.path: one.name for one in recordings}
        for path, outcome in self.outcomes.items():
            yield msgspec.structs.replace(outcome, name=names.get(path, outcome.name))

    def _begin(self, head: dict[str, Any]) -> None:
        """Read what is there, or write the first line."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(f"{self._name}: another kws scan is writing it") from None
        self._file.seek(0)
        first = self._file.readline()
        complete = len(first) if first.endswith(b"\n") else 0
        found = _parsed(first)
        if complete and not (isinstance(found, dict) and found.get("kws_scan") == _FORMAT):
            raise UsageError(f"{self._name}: is no progress file of this version of kws scan; choose another --out")
        for line in self._file:
            if line.endswith(b"\n"):
                complete += len(line)
                with suppress(msgspec.ValidationError):  # damaged by a power failure: the recording is scanned again
                    outcome = msgspec.convert(_parsed(line), Outcome)
                    self.outcomes[outcome.path] = outcome
        if self.outcomes:
            self._check(found, head)
            self._file.truncate(complete)
        else:
            self._file.truncate(0)
            self._write(head)

    def _check(self, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
        for name in [*wanted, *found]:
            if found.get(name) != wanted.get(name):
                before, now = (json.dumps(one.get(name), ensure_ascii=False) for one in (found, wanted))
                problem = f"was made with {name} {before}, not {now}"
                raise UsageError(f"{self._name}: {problem}; choose another --out, or remove it to scan all again")

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()


def _parsed(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None
