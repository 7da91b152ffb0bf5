"""All topics of a site."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from kws.errors import OptionError

ONLINE, OFFLINE = "online", "offline"

#: The end of the topics that set and report whether the service listens.
LISTENING = "listening"

_UNSAFE = re.compile(r"[\x00-\x1f\x7f/+#\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Message:
    """A message to publish. An empty retained payload makes the broker forget what it retains."""

    topic: str
    payload: str
    qos: int = 1
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one site; all begin with the levels of the prefix and the site.

    Raises:
        OptionError: the prefix cannot begin a topic.
    """

    prefix: str
    site: str

    def __post_init__(self) -> None:
        if not self.prefix or any(not part or level(part) != part for part in self.prefix.split("/")):
            raise OptionError("prefix", f"{self.prefix!r} must be levels of a topic without wildcards, such as kws")
        if self.prefix.startswith("$"):
            raise OptionError("prefix", "topics that begin with $ are the broker's own")

    @property
    def base(self) -> str:
        return f"{self.prefix}/{self.site}"

    @property
    def status(self) -> str:
        return f"{self.base}/status"

    @property
    def health(self) -> str:
        return f"{self.base}/health"

    @property
    def instance(self) -> str:
        """The topic on which services of one site find each other."""
        return f"{self.base}/instance"

    def detection(self, keyword: str | None = None) -> str:
        """Return the topic of every keyword, or of one."""
        return f"{self.base}/detection" + (f"/{level(keyword)}" if keyword is not None else "")

    def set(self, path: str) -> str:
        return f"{self.base}/set/{path}"

    def state(self, path: str) -> str:
        return f"{self.base}/state/{path}"


def threshold(keyword: str) -> str:
    """Return the end of the topics that set and report the threshold of a keyword."""
    return f"threshold/{level(keyword)}"


def level(text: str) -> str:
    """Return a text as one level of a topic: separators, wildcards and what cannot be sent become ``_``."""
    return _UNSAFE.sub("_", text)


def identifier(text: str) -> str:
    """Return a text as Home Assistant accepts it in a topic or a key: letters, digits, ``_`` and ``-``.

    Texts that lose characters get a checksum, so that no two are alike.
    """
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", text)
    if plain == text:
        return plain
    return f"{plain}_{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
