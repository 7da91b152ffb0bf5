"""Encodes clips and writes them to the disk, in a thread of its own."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC

from kws.common.worker import DropError, Worker
from kws.config.clips import ClipsOptions
from kws.publishers.formats import utc_text
from kws.service.clips.cutter import ClipRequest, RecordedClip
from kws.service.clips.store import ClipStore
from kws.types import Float32Array

#: Recordings that wait for the disk at most.
_QUEUE = 20

#: Seconds for writing what waits at the end.
_END_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ClipCounts:
    """Recordings saved and dropped, and the bytes that all in the folder took up after the last one."""

    saved: int = 0
    dropped: int = 0
    bytes: int = 0


class ClipRecorder:
    """Writes recordings to the folder that the options name.

    Args:
        options: the folder and its quota.
        environment: the variables of the process, for the default folder.
    """

    def __init__(self, options: ClipsOptions, environment: Mapping[str, str] = os.environ) -> None:
        folder = options.path(environment)
        self._store = ClipStore(folder, round(options.quota * 1e6))
        self._opened = False
        self._bytes = 0
        self._worker = Worker(str(folder), "recording", self._write, limit=_QUEUE)

    @property
    def counts(self) -> ClipCounts:
        return ClipCounts(*self._worker.totals, self._bytes)

    def put(self, clip: RecordedClip, rate: int) -> None:
        """Queue a recording of ``rate`` samples per second; never waits."""
        self._worker.put((clip, rate))

    def close(self) -> None:
        """Write what waits, for a moment, and end. A disk that hangs is abandoned."""
        self._worker.close(_END_SECONDS)

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
