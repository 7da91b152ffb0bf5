"""Where Prometheus finds the figures: a small web server in a thread of its own."""

from __future__ import annotations

import logging
import socket
import threading
from typing import TYPE_CHECKING, Any

from kws.config.metrics import MetricsOptions
from kws.errors import KwsError, UsageError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_log = logging.getLogger(__name__)


class Endpoint:
    """Serves figures until it is closed.

    Args:
        options: where.
        registry: what.

    Raises:
        UsageError: the address is none.
        KwsError: the address or the port is not to be had.

    Attributes:
        options: as given.
        url: of the figures.
    """

    def __init__(self, options: MetricsOptions, registry: CollectorRegistry) -> None:
        from prometheus_client import start_http_server  # noqa: PLC0415

        self.options = options
        try:
            server, self._thread = start_http_server(options.port, options.address, registry)
        except socket.gaierror:
            raise UsageError(f"metrics.address: {options.address!r} is no address") from None
        except OSError as error:
            raise KwsError(f"metrics: {options.address} port {options.port}: {error.strerror}") from None
        self._server: Any = server
        self.url = options.url(server.server_port)
        _log.info("metrics are at %s", self.url)
        if not options.is_local:
            _log.warning("metrics can be read by whoever reaches %s", options.address)

    def close(self, *, wait: bool = True) -> None:
        """Serve no more; the server takes half a second to notice, which need not be waited for."""
        closer = threading.Thread(target=self._close, name="close metrics", daemon=True)
        closer.start()
        if wait:
            closer.join()

    def _close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
