"""The interface of every source of sound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, Self

from kws.errors import AudioError
from kws.types import AudioBlock


class Source(Protocol):
    """A microphone, a file or a pipe: mono sound at a rate of its own, in blocks of any size.

    ``with`` opens a source and raises :class:`~kws.errors.AudioError` or :class:`~kws.errors.UsageError` if it is
    missing or unreadable. Positions count samples at :attr:`rate` since the source was opened. A gap between two blocks
    means that samples were lost.

    Attributes:
        name: what a user calls it: a path, the name of a device, ``standard input``.
        rate: samples per second, known once the source is open.
        live: True if sound may arrive at the pace at which it is made, so that its consumer must not wait for more
            sound than it needs. Known once the source is open.
        length: seconds of sound if the source knows it (a file), else None; known once the source is open.
        overruns: how often the system lost samples before the source got them, since it was opened.
        drops: how often the source dropped samples because its reader came too late, since it was opened.
    """

    name: str
    rate: int = 0
    live: bool = False
    length: float | None = None
    overruns: int = 0
    drops: int = 0

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def interrupt(self) -> None:
        """End :meth:`blocks` and whatever else the source waits for; any thread may call it, at any time."""
        ...

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield the sound until it ends; a microphone's never does. Call it once, while the source is open.

        Raises:
            AudioError: the source cannot read any further.
        """
        ...


@contextmanager
def opening(source: Source) -> Iterator[None]:
    """Close a source if opening it fails within.

    Raises:
        AudioError: the system cannot read the source.
    """
    try:
        yield
    except BaseException as error:
        source.__exit__()
        if isinstance(error, OSError):
            raise AudioError(f"cannot read {source.name}: {error.strerror or error}") from None
        raise
