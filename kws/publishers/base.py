"""The interface of publishers, and how publishing fails."""

from __future__ import annotations

from typing import Protocol

from kws.common.worker import DropError
from kws.types import Detection


class PublishError(DropError):
    """A detection was not published. It is dropped and counted, never retried."""


class UnreachableError(PublishError):
    """A detection was dropped during an outage that the publisher has logged itself."""

    logged = True


class UnconfirmedError(PublishError):
    """A detection was sent but not confirmed. It may have arrived, so it is not sent again."""


class Publisher(Protocol):
    """A receiver of detections. A :class:`~kws.publishers.worker.PublisherWorker` calls it in its own thread.

    Attributes:
        name: what log lines call it: ``mqtt://broker``.
    """

    name: str

    def publish(self, detection: Detection, deadline: float) -> None:
        """Publish a detection. May block until the deadline, a time on the clock of :func:`time.monotonic`.

        Raises:
            PublishError: it was not published. Any other exception counts as that too, and is logged as a defect.
        """
        ...

    def close(self) -> None:
        """Release everything. May be called while :meth:`publish` hangs in another thread."""
        ...
