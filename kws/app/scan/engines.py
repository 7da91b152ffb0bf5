"""The processes that scan: on the cores of this machine, or on a Dask cluster."""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from typing import Any, Protocol, Self

from kws.common.addresses import split_tcp
from kws.errors import KwsError, OptionError, UsageError

#: Seconds in which a scheduler must answer.
_CONNECT_SECONDS = 10

#: Seconds between two counts of a cluster's workers.
_COUNT_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Engine(Protocol):
    """Processes that run functions.

    Attributes:
        width: the calls that they run at the same time.
        died: the errors of a call whose process died.
    """

    died: tuple[type[Exception], ...]

    @property
    def width(self) -> int: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Call a function in one of the processes."""
        ...

    def recover(self) -> None:
        """Replace what a process that died has left unusable."""
        ...


class Cores:
    """Processes on this machine.

    Args:
        width: how many.
    """

    died: tuple[type[Exception], ...] = (BrokenProcessPool,)

    def __init__(self, width: int) -> None:
        self.width = width
        self.recover()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if any(error):  # do not wait for recordings of hours
            for process in multiprocessing.active_children():
                process.kill()
        self._pool.shutdown(cancel_futures=True)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        # Control-C reaches all processes of a terminal. Ours inherit the mask with which they start, and we end them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return self._pool.submit(function, *arguments)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def recover(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(self.width, context, initializer=_end_with_parent)


def _end_with_parent() -> None:
    """End this process when its parent is killed."""
    parent = multiprocessing.parent_process()
    assert parent

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Cluster:
    """The workers of a Dask cluster, which may come and go.

    Args:
        url: of its scheduler.

    Raises:
        KwsError: it cannot be reached, or Dask is not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            import distributed  # noqa: PLC0415
        except ImportError:
            raise UsageError("--scheduler needs Dask: pip install '.[dask]'") from None
        for name in list(logging.root.manager.loggerDict):
            if name.startswith("distributed"):  # errors are ours to report
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        try:
            split_tcp(url.replace("tls:", "tcp:", 1), "scheduler")
            self._client = distributed.Client(url, timeout=_CONNECT_SECONDS, set_as_default=False)
        except OptionError as error:
            raise UsageError(f"--scheduler: {error.problem}") from None
        except OSError:
            raise KwsError(f"--scheduler {url}: no Dask scheduler answers there") from None
        self.died: tuple[type[Exception], ...] = (distributed.scheduler.KilledWorker,)
        self._executor = self._client.get_executor(pure=False)
        self._counted = -math.inf
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    @property
    def width(self) -> int:
        if time.monotonic() > self._counted + _COUNT_SECONDS:
            self._counted = time.monotonic()
            with suppress(OSError):  # it reconnects, or cancels all calls
                width = sum(self._client.nthreads().values())
                if not width:
                    _log.warning("the cluster has no workers; waiting for one")
                self._width = width
        return max(1, self._width)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        call: Future[Any] = self._executor.submit(function, *arguments)
        return call

    def recover(self) -> None:
        """Dask replaces its workers by itself."""
