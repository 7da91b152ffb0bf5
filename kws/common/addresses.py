"""Addresses that a server of kws listens on."""

from __future__ import annotations

import ipaddress
import os
import socket
from urllib.parse import urlsplit

from kws.errors import KwsError, OptionError


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


def listen(host: str, port: int, *, table: str, field: str = "address") -> socket.socket:
    """Return a socket that listens on an address.

    Args:
        host: a name or an IP address.
        port: 0 for any free one.
        table: the table of the configuration that names the address.
        field: the field in it.

    Raises:
        OptionError: there is no such address.
        KwsError: it cannot be listened on.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family)
    except (socket.gaierror, UnicodeError):
        raise OptionError(f"{table}.{field}", f"{host!r} is not an address") from None
    except OSError as error:
        raise KwsError(f"{table}: {host} port {port}: {os.strerror(error.errno or 0)}") from None
