"""The tables of the servers."""

from __future__ import annotations

from typing import Annotated

import msgspec

from kws.common.addresses import split_tcp
from kws.common.names import composed
from kws.common.tables import Text


class WyomingOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``wyoming``; without it there is no wake-word server.

    Attributes:
        uri: the address to listen on, ``tcp://HOST:PORT``; the default can be reached from this machine only.
        keywords: the wake words that clients may choose from; None for all that are listened for.
    """

    uri: str = "tcp://127.0.0.1:10400"
    keywords: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1, description="a list of keywords")] | None = None

    def __post_init__(self) -> None:
        self.address  # noqa: B018 - it raises the error
        if self.keywords:
            msgspec.structs.force_setattr(self, "keywords", tuple(map(composed, self.keywords)))

    @property
    def address(self) -> tuple[str, int]:
        """The host and the port."""
        return split_tcp(self.uri, "uri")


class MonitorOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``monitor``; without it there is no live page.

    Attributes:
        address: to listen on; the default can be reached from this machine only. With any other, a browser has to show
            the token that the log names.
        port: to listen on; 0 for any free one, which the log names.
    """

    address: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8765
