"""The web server for Prometheus, in a thread of its own."""

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
    """Serves the metrics of a registry until it is closed.

    Raises:
        UsageError: the address is invalid.
        KwsError: the address or the port is not available.

    Attributes:
        options: as given.
        url: of the metrics.
    """

    def __init__(self, options: MetricsOptions, registry: CollectorRegistry) -> None:
        from prometheus_client import start_http_server  # noqa: PLC0415

        self.options = options
        try:
            server, self._thread = start_http_server(options.port, options.address, registry)
        except socket.gaierror:
            raise UsageError(f"metrics.address: {options.address!r} is not an address") from None
        except OSError as error:
            raise KwsError(f"metrics: {options.address} port {options.port}: {error.strerror}") from None
        self._server: Any = server
        self.url = options.url(server.server_port)
        _log.info("metrics are at %s", self.url)
        if not options.is_local:
            _log.warning("metrics can be read by everyone who reaches %s", options.address)

    def close(self, *, wait: bool = True) -> None:
        """End the server. Waiting for that takes up to half a second."""
        closer = threading.Thread(target=self._close, name="close metrics", daemon=True)
        closer.start()
        if wait:
            closer.join()

    def _close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
