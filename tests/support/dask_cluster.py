"""A Dask cluster on this machine: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.program import environment
from tests.support.waiting import wait_until


class DaskCluster:
    """A scheduler and its workers.

    Attributes:
        url: of the scheduler.
        scheduler: its process.
        workers: theirs.
    """

    def __init__(self, folder: Path) -> None:
        self._file, self._folder = folder / "scheduler.json", folder
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", "0")
        wait_until(self._file.exists, "scheduler", timeout=120)
        self.url: str = json.loads(self._file.read_text())["address"]

    def add_worker(self) -> None:
        """Start another worker with one thread; it registers when it is ready."""
        folder = self._folder / f"worker{len(self.workers)}"
        self.workers.append(
            self._start("worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
        )  # fmt: skip

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _start(self, kind: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", kind, "--scheduler-file", str(self._file), "--no-dashboard", *options]
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(command, env=environment(), stdout=log, stderr=log)


@contextmanager
def dask_cluster(folder: Path, workers: int) -> Iterator[DaskCluster]:
    cluster = DaskCluster(folder)
    try:
        for _ in range(workers):
            cluster.add_worker()
        yield cluster
    finally:
        cluster.close()
