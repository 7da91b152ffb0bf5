"""The one interface of everything that detections go to."""

from __future__ import annotations

from typing import Protocol

from kws.errors import KwsError
from kws.types import Detection


class PublishError(KwsError):
    """A detection was not published, and will not be: it is dropped and counted."""


class UnreachableError(PublishError):
    """It was dropped in an outage that the publisher has told of itself; only the number is still to be told."""


class UnconfirmedError(PublishError):
    """A detection was sent and nobody said that it arrived; it is not sent again, for it may have."""


class Publisher(Protocol):
    """What one :class:`~kws.publishers.dispatcher.PublisherWorker` serves, in the worker's own thread.

    Attributes:
        name: what a person would call it, for the log: ``mqtt://broker``.
    """

    name: str

    def publish(self, detection: Detection, deadline: float) -> None:
        """Publish a detection; may wait, but not beyond the deadline.

        Args:
            detection: what to tell.
            deadline: on the clock of :func:`time.monotonic`; after it the detection is of no use to anybody.

        Raises:
            PublishError: it was not published. Anything else that is raised is taken for that too, and logged.
        """
        ...

    def close(self) -> None:
        """End; nothing is published afterwards. May be called while :meth:`publish` hangs in another thread."""
        ...
