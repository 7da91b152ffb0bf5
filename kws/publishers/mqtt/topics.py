"""Every topic, in one place."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from kws.errors import OptionError

ONLINE, OFFLINE = "online", "offline"

_UNSAFE = re.compile(r"[\x00-\x1f\x7f/+#\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Message:
    """What is published.

    Attributes:
        topic: where.
        payload: what; nothing at all makes the broker forget what it retained.
        qos: 0 is forgotten where it gets lost, 1 is confirmed by the broker.
        retain: whether the broker keeps it for subscribers to come.
    """

    topic: str
    payload: str
    qos: int = 1
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one site.

    Attributes:
        prefix: what all begin with; may have several levels.
        site: the level after it.

    Raises:
        UsageError: the prefix cannot be the beginning of a topic.
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
        """Where services of one site get to know of each other."""
        return f"{self.base}/instance"

    def detection(self, keyword: str | None = None) -> str:
        """Of every keyword, or of one."""
        return f"{self.base}/detection" + (f"/{level(keyword)}" if keyword is not None else "")

    def set(self, path: str) -> str:
        return f"{self.base}/set/{path}"

    def state(self, path: str) -> str:
        return f"{self.base}/state/{path}"


LISTENING = "listening"


def threshold(keyword: str) -> str:
    """The end of the topics that set and tell a keyword's threshold."""
    return f"threshold/{level(keyword)}"


def level(text: str) -> str:
    """A text as one level of a topic: what separates levels, matches them or cannot be sent becomes ``_``."""
    return _UNSAFE.sub("_", text)


def identifier(text: str) -> str:
    """Return a text as Home Assistant accepts it in a topic or a key: letters, digits, ``_`` and ``-``.

    Texts that lose characters get a checksum, so that no two are alike.
    """
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", text)
    if plain == text:
        return plain
    return f"{plain}_{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
