"""The one interface of everything that sound comes from."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, Self

from kws.types import AudioBlock


class Source(Protocol):
    """A microphone, a file or a pipe: mono sound at a rate of its own, in blocks of any size.

    A source is opened by ``with``, once: what is missing or unreadable is found then, and is a
    :class:`~kws.errors.AudioError` or a :class:`~kws.errors.UsageError`. Positions count samples at
    :attr:`rate` since the beginning; a gap between blocks says that samples were lost.
    """

    @property
    def name(self) -> str:
        """What a person would call it: a path, a device's name, ``standard input``."""
        ...

    @property
    def rate(self) -> int:
        """Samples a second, known once the source is open."""
        ...

    @property
    def live(self) -> bool:
        """Whether sound may arrive at the pace at which it is made.

        Then nothing may wait for more of it than it needs. What is not live is all there and may be taken in any
        portions.
        """
        ...

    @property
    def length(self) -> float | None:
        """Seconds of sound where the source knows it (a file), else None; known once the source is open."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def blocks(self) -> Iterator[AudioBlock]:
        """Yield the sound until it ends; a microphone's never does. Called once, while the source is open.

        Raises:
            AudioError: the sound cannot be read any further.
        """
        ...
