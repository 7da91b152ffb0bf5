"""The table ``mqtt``: the broker, the login, TLS and the limits."""

from __future__ import annotations

import os
import platform
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from kws.common.files import read_file
from kws.common.tables import Text
from kws.errors import OptionError, UsageError
from kws.publishers.mqtt.topics import Prefix, Site, User, checked

PASSWORD_VARIABLE = "KWS_MQTT_PASSWORD"  # noqa: S105 - its name
_CREDENTIAL = "mqtt-password"

#: The longest password in bytes that MQTT can send.
_LONGEST_SECRET = 65535

#: URL scheme to (TLS, websockets, port).
_SCHEMES = {
    "mqtt": (False, False, 1883),
    "mqtts": (True, False, 8883),
    "ws": (False, True, 80),
    "wss": (True, True, 443),
}


class MqttOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``mqtt``.

    Attributes:
        url: ``mqtt://``, ``mqtts://`` (TLS), ``ws://`` or ``wss://`` (websockets), then ``[user@]host[:port]``, and a
            path for websockets.
        site: the place that this microphone hears, one level of every topic; None for the name of the host.
        prefix: begins every topic.
        user: for the login; None for the one in the URL.
        password_file: holds the password and nothing else. Without it the password is the systemd credential
            ``mqtt-password``, else the variable ``KWS_MQTT_PASSWORD``.
        ca: certificates to trust instead of the system's.
        certificate, key: of this client, if the broker asks for them; the key may be in the same file.
        protocol: the version of MQTT.
        keepalive: seconds after which a silent broker counts as lost.
        max_age: seconds that a detection waits for the broker at most.
        queue: detections that wait at most.
        near_misses: publish keywords that nearly fired, too.
        arbitration: the group of microphones of which only the loudest publishes a word that several hear; None for
            no arbitration.
        arbitration_window: seconds in which a louder one may claim a word; each detection waits so long.
    """

    url: str = "mqtt://localhost"
    site: Site | None = None
    prefix: Prefix = "kws"
    user: User | None = None
    password_file: Text | None = None
    ca: Text | None = None
    certificate: Text | None = None
    key: Text | None = None
    protocol: Literal["5", "3.1.1"] = "5"
    keepalive: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 30
    max_age: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 5.0
    queue: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 100
    near_misses: bool = False
    arbitration: Site | None = None
    arbitration_window: Annotated[float, msgspec.Meta(ge=0.05, le=5)] = 0.2


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a broker's URL. ``path`` is for websockets; ``user`` is None for a login without a user."""

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
    """Return the broker that the options name.

    Raises:
        OptionError: the URL is wrong or holds a password, or other options do not go with it.
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
        user=_url_user(parts) if options.user is None else options.user,
    )


def _url_user(parts: SplitResult) -> str | None:
    return parts.username if parts.username is None else checked("url", parts.username, User)


def _split(url: str) -> SplitResult:
    """Return the parts of a URL. No error repeats what may be a password."""
    shown = url.rpartition("@")[2]
    try:
        parts = urlsplit(url)
        if parts.password is not None:
            problem = "takes no password; write it to a file and name that in password_file, or put it into "
            raise OptionError("url", f"{problem}${PASSWORD_VARIABLE}")
        if parts.scheme not in _SCHEMES or "://" not in url:
            raise OptionError("url", f"{shown!r} must begin with {', '.join(f'{name}://' for name in _SCHEMES)}")
        if not parts.hostname or parts.port == 0 or " " in parts.hostname:
            raise OptionError("url", f"{shown!r} needs a host, and a port if it is not the usual one")
        parts.hostname.encode("idna")
    except ValueError:
        raise OptionError("url", f"{shown!r} has no valid host or port") from None
    if parts.query or parts.fragment or (parts.path not in ("", "/") and not parts.scheme.startswith("ws")):
        raise OptionError("url", f"{shown!r} continues after the host; the site is a setting of its own")
    return parts


def site_name(options: MqttOptions) -> str:
    """Return the site of the options, or else the name of the host.

    Raises:
        OptionError: it cannot be a level of a topic and a part of an identifier.
    """
    if options.site is None:
        return re.sub(r"[^A-Za-z0-9_-]", "_", platform.node().partition(".")[0])[:64] or "kws"
    return checked("site", options.site, Site)


def read_password(options: MqttOptions, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the password from the file of the options, a systemd credential or the environment; None without one.

    Raises:
        OptionError: ``password_file`` cannot be read.
        UsageError: the credential cannot be read.
    """
    path = _password_path(options, environment)
    if path is None:
        return environment.get(PASSWORD_VARIABLE)
    try:
        return _read_secret(path)
    except ValueError as error:
        if options.password_file is None:
            raise UsageError(f"systemd's credential: {error}") from None
        raise OptionError("password_file", str(error)) from None


def _read_secret(path: Path) -> str:
    """Return the text of a small file without the end of its line.

    Raises:
        ValueError: it cannot be a file with a password.
    """
    try:
        data = read_file(path, limit=_LONGEST_SECRET)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    try:
        secret = data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not text in UTF-8") from None
    if not secret:
        raise ValueError(f"{path} is empty")
    return secret


def password_origin(options: MqttOptions, environment: Mapping[str, str] = os.environ) -> str | None:
    """Say where the password comes from, without reading it; None without one."""
    if path := _password_path(options, environment):
        what = "systemd's credential" if options.password_file is None else "mqtt.password_file"
        return f"{what} {path}"
    return f"${PASSWORD_VARIABLE}" if PASSWORD_VARIABLE in environment else None


def _password_path(options: MqttOptions, environment: Mapping[str, str]) -> Path | None:
    if options.password_file is not None:
        return Path(options.password_file)
    folder = environment.get("CREDENTIALS_DIRECTORY")
    return path if folder and (path := Path(folder, _CREDENTIAL)).exists() else None


def exposed_files(options: MqttOptions) -> list[str]:
    """Return a warning for each secret file that every user can read; it begins with the setting."""
    problems = []
    for setting in ("password_file", "key"):
        path = getattr(options, setting)
        with suppress(OSError):  # reported by the reader of the file
            if path is not None and Path(path).stat().st_mode & stat.S_IROTH:
                problems.append(f"mqtt.{setting}: every user of this machine can read {path}; chmod o= {path}")
    return problems
