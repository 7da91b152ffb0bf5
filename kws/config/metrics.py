"""The table ``metrics``: where Prometheus reads the metrics."""

from __future__ import annotations

from typing import Annotated

import msgspec

#: The error where the extra is missing.
MISSING = "metrics: needs prometheus-client: pip install '.[metrics]'"

#: Beginnings of addresses that cannot be reached from another machine.
_LOOPBACK = ("127.", "::1", "localhost")


class MetricsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``metrics``; without it there is no endpoint.

    Attributes:
        address: to listen on; the default can be reached from this machine only.
        port: to listen on; 0 for any free one, which the log names.
    """

    address: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 9754

    @property
    def is_local(self) -> bool:
        """Return True if the address cannot be reached from another machine."""
        return self.address.startswith(_LOOPBACK)

    def url(self, port: int) -> str:
        """Return the URL of the metrics on a port."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{host}:{port}/metrics"
