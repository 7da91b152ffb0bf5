"""Encodes clips and writes them to a folder, in a thread of its own."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Mapping
from datetime import UTC
from pathlib import Path

import msgspec

from kws.common.files import replacing
from kws.common.worker import DropError, Worker
from kws.config.schema import ClipsOptions
from kws.publishers.formats import utc_text
from kws.service.clips.cutter import ClipRequest, RecordedClip
from kws.types import Float32Array

#: Recordings that wait for the disk at most.
_QUEUE = 20

#: Names of recordings; no other file in the folder is counted or removed.
_NAME = re.compile(r"\d{8}T\d{6}\.\d{3}Z_.+\.flac")


class ClipCounts(msgspec.Struct, frozen=True):
    """Recordings saved and dropped, and the bytes that all in the folder took up after the last one."""

    saved: int = 0
    dropped: int = 0
    bytes: int = 0


class ClipRecorder(Worker[tuple[RecordedClip, int]]):
    """Writes recordings, each queued with its rate, to the folder that the options name.

    Args:
        options: the folder and its quota.
    """

    def __init__(self, options: ClipsOptions) -> None:
        self._store = ClipStore(options.path(os.environ), round(options.quota * 1e6))
        self._opened = False
        self._bytes = 0
        super().__init__(str(self._store.folder), "recording", self._write, limit=_QUEUE)

    @property
    def counts(self) -> ClipCounts:
        return ClipCounts(*self.totals, self._bytes)

    def _write(self, item: tuple[RecordedClip, int], _deadline: float) -> bool:
        clip, rate = item
        try:
            if not self._opened:
                self._store.open()
                self._opened = True
            self._bytes = self._store.save(file_name(clip.request), encode(clip.samples, rate, describe(clip, rate)))
        except OSError as error:
            raise DropError(error.strerror or str(error)) from None
        return True


class ClipStore:
    """Recordings in a folder, never half a file. The oldest make room for new ones; names sort by time.

    Args:
        folder: made if it is missing, readable by its owner only: it holds what people said.
        quota: bytes for all recordings.
    """

    def __init__(self, folder: Path, quota: int) -> None:
        self.folder = folder
        self._quota = quota

    def open(self) -> None:
        """Make the folder, and remove unfinished files of an earlier run.

        Raises:
            OSError: the folder cannot be used.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self.folder.glob("*.part"):
            if _NAME.match(path.name):
                path.unlink(missing_ok=True)

    def save(self, name: str, data: bytes) -> int:
        """Save a recording, and return the bytes that all of them take up.

        Raises:
            OSError: it cannot be written, or exceeds the quota; nothing of it stays.
        """
        if len(data) > self._quota:
            raise OSError(f"a recording of {len(data)} bytes is larger than the quota of {self._quota}")
        with os.scandir(self.folder) as entries:
            sizes = {entry.path: entry.stat().st_size for entry in entries if _NAME.fullmatch(entry.name)}
        held = sum(sizes.values()) + len(data)
        for path in sorted(sizes):
            if held <= self._quota:
                break
            Path(path).unlink(missing_ok=True)
            held -= sizes[path]
        with replacing(self.folder / name, mode=0o600, durable=True) as file:
            file.write(data)
        return held


def file_name(request: ClipRequest) -> str:
    """Return the name of a recording; names sort by time."""
    stamp = request.time.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%f")[:-3]
    near = "_near-miss" if request.reason else ""
    return f"{stamp}Z_{_plain(request.keyword)}_{request.score:.2f}_{_plain(request.site)}{near}.flac"


def _plain(name: str) -> str:
    """Replace what separates paths or what a shell would interpret."""
    return re.sub(r"[^\w-]+", "-", name)[:64].strip("-") or "-"


def describe(clip: RecordedClip, rate: int) -> dict[str, object]:
    """Return the metadata of a recording; ``start`` and ``end`` are seconds from its beginning."""
    request = clip.request
    return {
        "keyword": request.keyword,
        "score": round(request.score, 4),
        "site": request.site,
        "time": utc_text(request.time),
        "start": round(max(0, request.start - clip.position) / rate, 3),
        "end": round((request.end - clip.position) / rate, 3),
        **({"near_miss": request.reason} if request.reason else {}),
    }


def encode(samples: Float32Array, rate: int, metadata: Mapping[str, object]) -> bytes:
    """Return a 16-bit FLAC file with the metadata as JSON in its comment."""
    import soundfile  # noqa: PLC0415

    memory = io.BytesIO()
    with soundfile.SoundFile(memory, "w", rate, 1, "PCM_16", format="FLAC") as file:
        file.title = str(metadata["keyword"])
        file.comment = json.dumps(metadata, ensure_ascii=False)
        file.write(samples)
    return memory.getvalue()
