"""Announces a Wyoming server on the local network, where Home Assistant finds it."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zeroconf.asyncio import AsyncZeroconf

_log = logging.getLogger(__name__)

_SERVICE = "_wyoming._tcp.local."


class Announcement:
    """Announces a server while it runs, if ``zeroconf`` is installed.

    Args:
        host, port: where the server listens.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._zeroconf: AsyncZeroconf | None = None

    async def begin(self) -> None:
        """Announce the server. Without a network this is logged, and the server goes on."""
        try:
            from zeroconf import InterfaceChoice  # noqa: PLC0415
            from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf  # noqa: PLC0415
        except ImportError:
            return
        try:
            everywhere = self._host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
            address = _own_address() if everywhere else socket.gethostbyname(self._host)
            self._zeroconf = AsyncZeroconf(interfaces=InterfaceChoice.All if everywhere else [address])
            name = f"kws-{socket.gethostname().partition('.')[0]}.{_SERVICE}"
            service = AsyncServiceInfo(_SERVICE, name, self._port, parsed_addresses=[address])
            await self._zeroconf.async_register_service(service, allow_name_change=True)
        except Exception as error:  # noqa: BLE001 - the library raises errors of many kinds
            _log.warning("Zeroconf cannot announce the Wyoming server: %s", str(error) or repr(error))

    async def end(self) -> None:
        if self._zeroconf:
            await self._zeroconf.async_close()


def _own_address() -> str:
    """Return the address of this machine on the local network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("224.0.0.251", 5353))  # that of mDNS; this sends nothing
        return str(probe.getsockname()[0])
