"""Scanning many recordings: each once, whatever happens to the processes that do it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from typing import Any

from kws.app.scan.engines import Engine
from kws.app.scan.recordings import Recording, shown
from kws.app.scan.work import Job, Outcome, scan_recording
from kws.config.inforce import in_force
from kws.config.schema import Config
from kws.errors import KwsError
from kws.inference.model import Model

#: Calls that are under way for each process, so that none has to wait for its next.
_AHEAD = 2

#: Seconds between two looks at how many processes there are.
_LOOK_SECONDS = 5.0


def scan(engine: Engine, job: Job, recordings: Sequence[Recording]) -> Iterator[Outcome]:
    """Yield the outcome of each recording, as soon as it is known.

    When a process dies, any of the recordings under way may be the reason. Each of them is then scanned once more,
    while nothing else is under way. A recording whose process dies again has a problem.

    Raises:
        KwsError: the processes cannot scan anything.
    """
    waiting, suspects = deque(recordings), deque[Recording]()
    running: dict[Future[Outcome], Recording] = {}
    alone = False
    while waiting or suspects or running:
        if suspects and not running:
            alone = True
            one = suspects.popleft()
            running[engine.submit(scan_recording, job, one)] = one
        elif not suspects and not (alone and running):
            alone = False
            while waiting and len(running) < _AHEAD * engine.width:
                one = waiting.popleft()
                running[engine.submit(scan_recording, job, one)] = one
        done, _ = wait(running, _LOOK_SECONDS, FIRST_COMPLETED)
        died = False
        for call in done:
            one = running.pop(call)
            try:
                yield call.result()
            except engine.died:
                died = True
                if alone:
                    problem = f"{shown(one.name)}: the process that scanned it was killed; is there enough memory?"
                    yield Outcome(**one._asdict(), problem=problem)
                else:
                    suspects.append(one)
            except CancelledError:
                raise KwsError("the scheduler of the cluster has gone; the same command goes on from here") from None
            except ImportError as error:
                raise KwsError(f"a worker cannot scan: {error}; install kws there") from None
        if died:
            engine.recover()


def settings(config: Config, model: Model) -> dict[str, Any]:
    """Return what the outcome of a recording depends on, by the names of the settings."""
    named = {"model": f"{model.name} {model.description.version}", "network": model.key}
    for setting in in_force(config, model.description):
        first = setting.table.partition(".")[0]
        if first in ("decision", "keyword", "gate") or setting.key in (
            "source.channel", "source.gain", "model.skip_windows",
        ):  # fmt: skip
            named[setting.key] = setting.value
    return named
