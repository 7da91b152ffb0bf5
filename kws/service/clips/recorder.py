"""Keeps the sound around what was heard, without ever holding up who hears."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kws.config.clips import ClipsOptions
from kws.service.clips.cutter import Cut
from kws.service.clips.store import ClipStore
from kws.types import Float32Array

_log = logging.getLogger(__name__)

#: Recordings that wait for the disk at most.
_QUEUE = 20

#: Seconds that writing may go on after the end.
_END_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ClipCounts:
    """What became of recordings.

    Attributes:
        saved: on the disk.
        dropped: not: the disk was full or too slow, or did not let us.
        bytes: that all in the folder take up, as of the last one saved.
    """

    saved: int = 0
    dropped: int = 0
    bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a recording is of.

    Attributes:
        keyword, score: what was heard, or nearly.
        site: where.
        time: when.
        reason: why it did not fire; None for a detection.
    """

    keyword: str
    score: float
    site: str
    time: datetime
    reason: str | None = None

    @property
    def file_name(self) -> str:
        stamp = self.time.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
        near = "_near-miss" if self.reason else ""
        return f"{stamp}Z_{_plain(self.keyword)}_{self.score:.2f}_{_plain(self.site)}{near}.flac"


class Recorder:
    """Writes recordings, in a thread of its own that begins with the first of them.

    Args:
        options: which, and where.
        environment: where the folder is looked up that the options do not name.
    """

    def __init__(self, options: ClipsOptions, *, environment: Mapping[str, str] | None = None) -> None:
        self.folder = clip_folder(options, os.environ if environment is None else environment)
        self._store = ClipStore(self.folder, round(options.quota * 1e6))
        self._opened = False
        self._waiting: deque[tuple[Cut, Label, int]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._counts = ClipCounts()
        self._untold = 0  # dropped since the last that was saved
        self._thread: threading.Thread | None = None

    @property
    def counts(self) -> ClipCounts:
        with self._changed:
            return self._counts

    def close(self) -> None:
        """Write what waits, for a moment, and end. A disk that hangs is left behind."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread:
            self._thread.join(_END_SECONDS)
        with self._changed:
            for _ in range(len(self._waiting)):
                self._drop("the end came first")
            self._waiting.clear()

    def put(self, cut: Cut, label: Label, rate: int) -> None:
        """Have a recording written, of so many samples a second; never waits."""
        with self._changed:
            if self._closing or len(self._waiting) >= _QUEUE:
                self._drop("it came after the end" if self._closing else f"more than {_QUEUE} wait for the disk")
                return
            self._waiting.append((cut, label, rate))
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="write clips", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                cut, label, rate = self._waiting.popleft()
            try:
                held = self._write(cut, label, rate)
            except OSError as error:
                with self._changed:
                    self._drop(error.strerror or str(error))
            except Exception as error:  # noqa: BLE001
                # A defect of ours or of a library; the next recording may fare better.
                _log.exception("a recording was not made")
                with self._changed:
                    self._drop(repr(error))
            else:
                with self._changed:
                    self._saved(held)

    def _write(self, cut: Cut, label: Label, rate: int) -> int:
        if not self._opened:
            self._store.open()
            self._opened = True
        return self._store.save(label.file_name, encode(cut.samples, rate, describe(cut, label, rate)))

    def _saved(self, held: int) -> None:
        self._counts = ClipCounts(self._counts.saved + 1, self._counts.dropped, held)
        if self._untold:
            were = "were" if self._untold > 1 else "was"
            _log.warning("%s: recordings are kept again; %d %s lost", self.folder, self._untold, were)
        self._untold = 0

    def _drop(self, reason: str) -> None:
        """Count one, and say so where the one before was saved."""
        self._counts = ClipCounts(self._counts.saved, self._counts.dropped + 1, self._counts.bytes)
        if not self._untold:
            _log.warning("%s: a recording is lost: %s", self.folder, reason)
        self._untold += 1


def clip_folder(options: ClipsOptions, environment: Mapping[str, str]) -> Path:
    """The folder that the options name, else ``clips`` where systemd or the user keeps what programs keep."""
    if options.folder is not None:
        return Path(options.folder)
    if state := environment.get("STATE_DIRECTORY"):
        return Path(state.partition(":")[0], "clips")
    base = environment.get("XDG_STATE_HOME") or Path(environment.get("HOME", "~"), ".local", "state").expanduser()
    return Path(base, "kws", "clips")


def describe(cut: Cut, label: Label, rate: int) -> dict[str, object]:
    """What the recording says of itself; ``start`` and ``end`` are seconds from its beginning."""
    return {
        "keyword": label.keyword,
        "score": round(label.score, 4),
        "site": label.site,
        "time": label.time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "start": round(max(0, cut.moment.start - cut.position) / rate, 3),
        "end": round((cut.moment.end - cut.position) / rate, 3),
        **({"near_miss": label.reason} if label.reason else {}),
    }


def encode(samples: Float32Array, rate: int, description: Mapping[str, object]) -> bytes:
    """A FLAC file of 16 bits, with the description as JSON in its comment."""
    import soundfile  # noqa: PLC0415

    memory = io.BytesIO()
    with soundfile.SoundFile(memory, "w", rate, 1, "PCM_16", format="FLAC") as file:
        file.title = str(description["keyword"])
        file.comment = json.dumps(description, ensure_ascii=False)
        file.write(samples)
    return memory.getvalue()


def _plain(name: str) -> str:
    """A name as a part of a file's name: no separators, nothing that a shell would ask about."""
    return re.sub(r"[^\w-]+", "-", name)[:64].strip("-") or "-"
