"""Addresses that a server of kws listens on."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from kws.errors import OptionError


def is_local(host: str) -> bool:
    """Return True if the address cannot be reached from another machine; of a name, only localhost is sure not to."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def http_url(host: str, port: int, path: str = "/") -> str:
    """Return the URL of a path on an address."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"


def split_tcp(uri: str, field: str) -> tuple[str, int]:
    """Return the host and the port of ``tcp://HOST:PORT``.

    Raises:
        OptionError: it is not of this form.
    """
    try:
        parts = urlsplit(uri)
        if parts.scheme == "tcp" and parts.hostname and parts.port is not None and parts.path in ("", "/"):
            return parts.hostname, parts.port
    except ValueError:
        pass
    raise OptionError(field, f"must be tcp://HOST:PORT, not {uri!r}")
