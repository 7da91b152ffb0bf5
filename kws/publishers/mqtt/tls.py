"""TLS to a broker: whose certificates are trusted, and which one is shown."""

from __future__ import annotations

import ssl
from pathlib import Path

from kws.errors import OptionError
from kws.publishers.mqtt.settings import Broker, MqttOptions


def make_tls(options: MqttOptions, broker: Broker) -> ssl.SSLContext | None:
    """Return the context, or None without TLS.

    Raises:
        OptionError: a file is missing or is not in PEM format.
    """
    if not broker.tls:
        return None
    for field in ("ca", "certificate", "key"):
        path = getattr(options, field)
        if path is not None and Path(path).exists() and not Path(path).is_file():  # reading a device may never end
            raise OptionError(field, f"{path} is not a regular file")
    try:
        context = ssl.create_default_context(cafile=options.ca)
    except (OSError, ValueError) as error:
        raise OptionError("ca", f"{options.ca}: {_reason(error)}") from None
    # Python 3.13 and later refuse an authority without key usage, as mosquitto's own instructions make one.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.sslsocket_class = _Socket
    if options.certificate:
        try:
            # Without a password function OpenSSL would ask for the key's passphrase on the terminal.
            context.load_cert_chain(options.certificate, options.key, password=lambda: "")
        except (OSError, ValueError) as error:
            names = " and ".join(filter(None, (options.certificate, options.key)))
            raise OptionError("certificate", f"{names}: {_reason(error)}") from None
    return context


class _Socket(ssl.SSLSocket):
    """Closes itself when the handshake fails; paho-mqtt would leave that to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"not valid PEM ({error.reason or 'unreadable'})"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
