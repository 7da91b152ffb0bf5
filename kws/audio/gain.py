"""Makes a source louder or softer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self, cast

from kws.audio.augment import decibels
from kws.audio.source import Source
from kws.types import AudioBlock


class _Amplified:
    """A source whose samples are multiplied; all else is the source's own."""

    def __init__(self, source: Source, gain_db: float) -> None:
        self._source = source
        self._factor = decibels(gain_db)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def __enter__(self) -> Self:
        self._source.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._source.__exit__(*error)

    def blocks(self) -> Iterator[AudioBlock]:
        for block in self._source.blocks():
            yield AudioBlock(block.samples * self._factor, block.position)


def amplified(source: Source, gain_db: float) -> Source:
    """Return a source with a gain in decibels. Samples beyond full scale are kept: nothing is clipped."""
    return source if gain_db == 0 else cast(Source, _Amplified(source, gain_db))
