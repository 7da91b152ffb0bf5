"""Publishers of detections: to an MQTT broker, to a command that is run, to lines of text; several at once.

Each publisher works in a thread of its own behind a :class:`Dispatcher`, so that one that fails or hangs delays
neither the others nor the listening. ``docs/mqtt.md`` tells what is published over MQTT.
"""

from kws.publishers.base import Publisher, PublishError, UnconfirmedError, UnreachableError
from kws.publishers.dispatcher import Dispatcher, PublisherWorker
from kws.publishers.exec import CommandPublisher, ExecOptions
from kws.publishers.stdout import LineOptions, LinePublisher

__all__ = [
    "CommandPublisher",
    "Dispatcher",
    "ExecOptions",
    "LineOptions",
    "LinePublisher",
    "PublishError",
    "Publisher",
    "PublisherWorker",
    "UnconfirmedError",
    "UnreachableError",
]
