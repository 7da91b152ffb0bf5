"""Where Prometheus finds the figures."""

from __future__ import annotations

from typing import Annotated

import msgspec

#: How addresses begin that nobody reaches from another machine.
_LOOPBACK = ("127.", "::1", "localhost")


class MetricsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``metrics``; without it there is no endpoint.

    Attributes:
        address: to listen on; the default is reached from this machine alone.
        port: to listen on; 0 for any that is free, which the log then names.
    """

    address: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 9754

    @property
    def is_local(self) -> bool:
        """Whether nobody reaches the address from another machine."""
        return self.address.startswith(_LOOPBACK)

    def url(self, port: int) -> str:
        """Of the figures, where this port is listened on."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{port}/metrics"
