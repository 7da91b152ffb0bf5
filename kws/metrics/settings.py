"""Where Prometheus finds the figures."""

from __future__ import annotations

from typing import Annotated

import msgspec


class MetricsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``metrics``; without it there is no endpoint.

    Attributes:
        address: to listen on; the default is reached from this machine alone.
        port: to listen on; 0 for any that is free, which the log then names.
    """

    address: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 9754
