"""The worker, beyond what :mod:`tests.publishers.test_worker` and the tests of clips show of it."""

from __future__ import annotations

import threading

import pytest

from kws.common.worker import DropError, Worker


def test_the_thread_starts_with_the_first_item_and_ends_with_the_worker() -> None:
    threads: list[threading.Thread] = []

    def handle(_item: int, _deadline: float) -> bool:
        threads.append(threading.current_thread())
        return True

    worker = Worker[int]("test worker", "number", handle, limit=3)
    assert "test worker" not in [thread.name for thread in threading.enumerate()]
    worker.put(1)
    worker.put(2)
    assert worker.close(10)
    assert not worker.close(10)
    threads[0].join(10)
    assert not threads[0].is_alive()
    assert worker.totals == (2, 0)


def test_items_that_the_caller_counts_are_neither_handled_nor_dropped() -> None:
    worker = Worker[int]("test worker", "number", lambda item, _: item > 0, limit=3)
    worker.put(-1)
    worker.put(1)
    worker.close(10)
    assert worker.totals == (1, 0)


def test_drops_are_logged_at_once_and_counted_with_the_next_success(caplog: pytest.LogCaptureFixture) -> None:
    def handle(item: int, _deadline: float) -> bool:
        if item < 0:
            raise DropError("negative")
        return True

    worker = Worker[int]("test worker", "number", handle, limit=9)
    for item in (-1, -2, 3):
        worker.put(item)
    worker.close(10)
    assert worker.totals == (1, 2)
    assert caplog.messages == [
        "test worker: dropped a number: negative",
        "test worker: 2 numbers were dropped: negative",
    ]
