"""Sockets that listen."""

from __future__ import annotations

import os
import socket

from kws.errors import KwsError, OptionError


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
