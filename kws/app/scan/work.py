"""One recording, scanned in a process of this machine or of another one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from kws import __version__
from kws.app.build import load_model, make_pipeline
from kws.app.scan.recordings import Recording, shown
from kws.audio.file import FileSource
from kws.audio.gain import amplified
from kws.config.schema import Config
from kws.errors import KwsError
from kws.pipeline.pipeline import Pipeline
from kws.publishers.formats import as_dict


class Job(NamedTuple):
    """The settings of a scan.

    Attributes:
        config: names the model, the words and the decision settings.
        model: the key of the model, see :attr:`kws.inference.model.Model.key`.
        version: of kws.
    """

    config: Config
    model: str
    version: str = __version__


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one recording.

    Attributes:
        name, path, size, mtime: as in :class:`~kws.app.scan.recordings.Recording`, when the scan began.
        seconds: of sound in it.
        detections: each with keyword, score, start, end and, behind a gate, the wake word.
        problem: why it could not be scanned to its end; None if it was.
        warnings: other lines about it.
    """

    name: str
    path: str
    size: int
    mtime: int
    seconds: float = 0.0
    detections: tuple[dict[str, Any], ...] = ()
    problem: str | None = None
    warnings: tuple[str, ...] = ()


def scan_recording(job: Job, recording: Recording) -> Outcome:
    """Return the outcome of a recording.

    Raises:
        KwsError: this process cannot scan anything.
    """
    pipeline = _pipeline(job)
    name, path, size, mtime = recording
    seconds, detections, problem = 0.0, [], None
    with _warnings() as warnings:
        try:
            size, mtime = _state(path)
            options = job.config.sources[0]
            file = FileSource(path, channel=options.channel)
            file.name = shown(name)
            with amplified(file, options.gain) as source:
                seconds = source.length or 0.0
                for detection in pipeline.detections(pipeline.run(source)):
                    fields = as_dict(detection)
                    detections.append({key: fields[key] for key in fields if key not in ("time", "model", "site")})
            with suppress(OSError):  # gone since, but it was read to its end
                if _state(path) != (size, mtime):
                    problem = f"{shown(name)} changed while it was read; run the scan again"
        except KwsError as error:
            problem = str(error)
        except OSError as error:
            problem = f"cannot read {shown(name)}: {error.strerror}"
        except Exception as error:  # noqa: BLE001 - a defect of ours must not end a scan of days
            problem = f"{shown(name)} cannot be scanned: {error!r}"
    return Outcome(
        name=name, path=path, size=size, mtime=mtime, seconds=seconds, detections=tuple(detections), problem=problem,
        warnings=tuple(warnings),
    )  # fmt: skip


def _state(path: str) -> tuple[int, int]:
    state = Path(path).stat()
    return state.st_size, state.st_mtime_ns


#: Each thread has a model of its own, because a network runs one window at a time.
_own = threading.local()


def _pipeline(job: Job) -> Pipeline:
    """Return the pipeline of this thread for a job.

    Raises:
        KwsError: this process does not have what the job needs.
    """
    if getattr(_own, "job", None) != job:
        if __version__ != job.version:
            raise KwsError(f"a worker has kws {__version__}, not {job.version}; install the same version everywhere")
        model = load_model(job.config)
        if model.key != job.model:
            raise KwsError(f"a worker has another model {model.name}; install the same one everywhere")
        _own.pipeline, _own.job = make_pipeline(job.config, job.config.sources[0], model), job
    pipeline: Pipeline = _own.pipeline
    return pipeline


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """Yield a list that collects the warnings that this thread logs meanwhile."""
    messages: list[str] = []
    thread = threading.get_ident()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                messages.append(record.getMessage())

    collector = Collector(logging.WARNING)
    log = logging.getLogger("kws")
    log.addHandler(collector)
    try:
        yield messages
    finally:
        log.removeHandler(collector)
