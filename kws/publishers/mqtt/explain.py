"""Why there is no connection, in words for people."""

from __future__ import annotations

import socket
import ssl

from kws.publishers.mqtt.settings import Broker

#: What an exception during a login means, from the special to the general.
_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (socket.gaierror, "there is no host of this name ({error.strerror})"),
    (ConnectionRefusedError, "nothing listens on this port; is the broker running?"),
    (
        ssl.SSLCertVerificationError,
        "its certificate is not trusted ({error.verify_message}); name its authority with mqtt.ca",
    ),
    (ssl.SSLError, "TLS fails ({error.reason}); is this the port for it?"),
    (TimeoutError, "no answer in time"),
    (ConnectionResetError, "ends the connection at once; is this the right port?"),
)


def explain(error: Exception, broker: Broker) -> str:
    """Say what an exception during a login means."""
    for kind, text in _CAUSES:
        if isinstance(error, kind):
            return text.format(error=error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if broker.websockets:
        return f"does not speak websockets here ({error})"
    return str(error) or repr(error)


def explain_refusal(reason: str, broker: Broker, protocol: str, *, has_password: bool) -> str:
    """Say what the broker's answer to a login means."""
    if reason in ("Bad user name or password", "Not authorized"):
        login = "a login without a user" if broker.user is None else f"the login of user {broker.user!r}"
        return f"refuses {login} {'with this' if has_password else 'without a'} password ({reason.lower()})"
    if reason == "Unsupported protocol version":
        return f'does not speak MQTT {protocol}; try mqtt.protocol = "{"3.1.1" if protocol == "5" else "5"}"'
    return f"refuses the connection ({reason.lower()})"
