"""Which broker, as whom, and how long a detection waits for it."""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from kws.errors import OptionError, UsageError

PASSWORD_VARIABLE = "KWS_MQTT_PASSWORD"  # noqa: S105 - its name
CREDENTIAL = "mqtt-password"

#: Scheme to (TLS, websockets, port).
_SCHEMES = {
    "mqtt": (False, False, 1883),
    "mqtts": (True, False, 8883),
    "ws": (False, True, 80),
    "wss": (True, True, 443),
}

_SITE = "1 to 64 letters, digits, - or _ (A to Z)"

#: The place that a microphone hears: one level of a topic, and a part of an identifier.
Site = Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9_-]{1,64}\\Z", description=_SITE)]


class MqttOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``mqtt``.

    Attributes:
        url: ``mqtt://``, ``mqtts://`` (TLS), ``ws://`` or ``wss://`` (websockets), then ``[user@]host[:port]``; for
            websockets a path too.
        site: the place that this microphone hears, one level of every topic; None for the name of the host.
        prefix: what every topic begins with.
        user: to log in as; None for the one in the URL.
        password_file: a file that holds the password and nothing else. Without it the password is systemd's
            credential ``mqtt-password``, else the variable ``KWS_MQTT_PASSWORD``.
        ca: a file of certificates to trust instead of the system's.
        certificate, key: of this client, where the broker wants to see one; the key may be in the same file.
        protocol: MQTT's version.
        keepalive: seconds after which a broker that has gone silent is taken for gone.
        max_age: seconds that a detection waits for the broker at most.
        queue: detections that wait at most.
    """

    url: str = "mqtt://localhost"
    site: Site | None = None
    prefix: str = "kws"
    user: str | None = None
    password_file: str | None = None
    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    protocol: Literal["5", "3.1.1"] = "5"
    keepalive: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 30
    max_age: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 5.0
    queue: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """What a URL says.

    Attributes:
        scheme: one of the four.
        host, port: where.
        tls: whether the connection is encrypted.
        websockets: whether MQTT travels inside HTTP.
        path: for websockets.
        user: None for nobody.
    """

    scheme: str
    host: str
    port: int
    tls: bool
    websockets: bool
    path: str = "/mqtt"
    user: str | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path if self.websockets else ''}"


def parse_broker(options: MqttOptions) -> Broker:
    """The broker that the options name.

    Raises:
        UsageError: the URL cannot be, or holds a password; or the other options do not go with it.
    """
    parts = _split(options.url)
    tls, websockets, port = _SCHEMES[parts.scheme]
    if options.user is not None and parts.username is not None and options.user != parts.username:
        raise OptionError("user", "the URL names another user; leave one of them out")
    if not tls and (options.ca or options.certificate or options.key):
        secure = "wss" if websockets else "mqtts"
        raise OptionError("url", f"ca, certificate and key are for TLS; the URL must begin with {secure}://")
    if options.key and not options.certificate:
        raise OptionError("key", "goes with a certificate; name that too")
    return Broker(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or port,
        tls=tls,
        websockets=websockets,
        path=parts.path or "/mqtt",
        user=parts.username if options.user is None else options.user,
    )


def _split(url: str) -> SplitResult:
    """The parts of a URL; no error repeats what may be a password."""
    shown = url.rpartition("@")[2]
    try:
        parts = urlsplit(url)
        if parts.password is not None:
            raise OptionError(
                "url",
                f"takes no password; write it to a file and name that in password_file, "
                f"or put it into ${PASSWORD_VARIABLE}",
            )
        if parts.scheme not in _SCHEMES or "://" not in url:
            raise OptionError("url", f"{shown!r} must begin with {', '.join(f'{name}://' for name in _SCHEMES)}")
        if not parts.hostname or parts.port == 0:
            raise OptionError("url", f"{shown!r} needs a host and, where it is not the usual one, a port")
    except ValueError:
        raise OptionError("url", f"{shown!r} has no host or port that can be") from None
    if parts.query or parts.fragment or (parts.path not in ("", "/") and not parts.scheme.startswith("ws")):
        raise OptionError("url", f"{shown!r} goes on after the host; the site is a setting of its own")
    return parts


def read_password(options: MqttOptions, environment: Mapping[str, str] | None = None) -> str | None:
    """The password, from the file that the options name, systemd's credentials or the environment; None for none.

    Raises:
        UsageError: a file cannot be read.
    """
    environment = os.environ if environment is None else environment
    if found := _password_file(options, environment):
        path, what = found
        try:
            return _read(path)
        except ValueError as error:
            if options.password_file is not None:
                raise OptionError("password_file", str(error)) from None
            raise UsageError(f"{what}: {error}") from None
    return environment.get(PASSWORD_VARIABLE)


def password_origin(options: MqttOptions, environment: Mapping[str, str] | None = None) -> str | None:
    """Where the password would come from, without a look at it; None for nowhere."""
    environment = os.environ if environment is None else environment
    if found := _password_file(options, environment):
        path, what = found
        return f"{what} {path}"
    return f"${PASSWORD_VARIABLE}" if PASSWORD_VARIABLE in environment else None


def exposed_files(options: MqttOptions) -> list[str]:
    """What is wrong with files that hold secrets and that everybody on this machine can read, by setting."""
    problems = []
    for setting in ("password_file", "key"):
        path = getattr(options, setting)
        with suppress(OSError):  # whoever reads it says so
            if path is not None and Path(path).stat().st_mode & stat.S_IROTH:
                problems.append(f"mqtt.{setting}: everybody on this machine can read {path}; chmod o= {path}")
    return problems


def _password_file(options: MqttOptions, environment: Mapping[str, str]) -> tuple[Path, str] | None:
    if options.password_file is not None:
        return Path(options.password_file), "mqtt.password_file"
    folder = environment.get("CREDENTIALS_DIRECTORY")
    if folder and (path := Path(folder, CREDENTIAL)).exists():
        return path, "systemd's credential"
    return None


def _read(path: Path) -> str:
    try:
        password = path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text in UTF-8") from None
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    if not password:
        raise ValueError(f"{path} is empty")
    return password


def site_name(options: MqttOptions) -> str:
    """The site: as configured, else the name of the host.

    Raises:
        UsageError: it cannot be a level of a topic and a part of an identifier.
    """
    if options.site is None:
        return re.sub(r"[^A-Za-z0-9_-]", "_", socket.gethostname().partition(".")[0])[:64] or "kws"
    try:
        return msgspec.convert(options.site, Site)
    except msgspec.ValidationError:
        raise OptionError("site", f"must be {_SITE}, not {options.site!r}") from None
