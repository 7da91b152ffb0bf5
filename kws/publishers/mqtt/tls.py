"""What an encrypted connection trusts, and what it shows of itself."""

from __future__ import annotations

import ssl

from kws.errors import OptionError
from kws.publishers.mqtt.settings import Broker, MqttOptions


def make_tls(options: MqttOptions, broker: Broker) -> ssl.SSLContext | None:
    """The context of a connection; None for one that is not encrypted.

    Raises:
        UsageError: a file is missing or is not what it should be.
    """
    if not broker.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=options.ca)
    except (OSError, ValueError) as error:
        raise OptionError("ca", f"{options.ca}: {_reason(error)}") from None
    context.sslsocket_class = _Socket
    if options.certificate:
        try:
            # Without a function for it, OpenSSL would ask for the key's passphrase on the terminal.
            context.load_cert_chain(options.certificate, options.key, password=lambda: "")
        except (OSError, ValueError) as error:
            names = " and ".join(filter(None, (options.certificate, options.key)))
            raise OptionError("certificate", f"{names}: {_reason(error)}") from None
    return context


class _Socket(ssl.SSLSocket):
    """Closes itself when there is no agreement; paho-mqtt would leave that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"not what it should be in PEM ({error.reason or 'unreadable'})"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
