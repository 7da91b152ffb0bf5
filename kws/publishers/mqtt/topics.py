"""All topics of a site, and the values that may be a part of them.

The options that reach a topic have the types below. So a configuration is refused when it is read, by every command.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec

from kws.common.digest import sha256_of
from kws.common.names import composed
from kws.errors import OptionError

ONLINE, OFFLINE = "online", "offline"

#: The end of the topics that set and report whether the service listens.
LISTENING = "listening"

#: Characters on which a broker ends the connection (MQTT 5, 1.5.4): control characters, surrogates, and what Unicode
#: calls noncharacters.
_REFUSED = r"\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef" + "".join(
    rf"\U{plane:04x}fffe\U{plane:04x}ffff" for plane in range(17)
)

#: These, and characters that separate levels or match them.
_UNSAFE = f"/+#{_REFUSED}"


def _text(pattern: str, description: str) -> Any:
    return Annotated[str, msgspec.Meta(pattern=rf"\A{pattern}\Z", max_length=200, description=description)]


#: The place that a microphone hears: one level of a topic, and part of an identifier.
Site = _text("[A-Za-z0-9_-]{1,64}", "1 to 64 letters, digits, - or _ (A to Z)")

#: One level of a topic of another protocol.
Level = _text(f"[^{_UNSAFE}]+", "a name without /, +, # and control characters, of 1 to 200 characters")

#: The levels that begin a topic. Topics that begin with $ are the broker's own.
Prefix = _text(
    rf"(?![$/])(?!.*//)[^+#{_REFUSED}]+(?<!/)",
    "levels of a topic such as home/voice, without +, #, control characters and a $ at the beginning",
)

#: The user of a login.
User = _text(f"[^{_REFUSED}]+", "a name without control characters, of 1 to 200 characters")


def checked(field: str, value: str, kind: Any) -> str:
    """Return a value of type :data:`Site`, :data:`Level`, :data:`Prefix` or :data:`User`, or raise an OptionError."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        raise OptionError(field, f"must be {kind.__metadata__[0].description}, not {value!r}") from None
    return value


class Message(msgspec.Struct, frozen=True):
    """A message to publish. An empty retained payload makes the broker forget what it retains.

    Attributes:
        expiry_seconds: after which the broker (MQTT 5) discards the message; None for never.
    """

    topic: str
    payload: str
    qos: int = 1
    retain: bool = False
    expiry_seconds: int | None = None


class Topics(msgspec.Struct, frozen=True):
    """The topics of one site; all begin with the levels of the prefix and the site.

    Raises:
        OptionError: a value cannot be a part of a topic.
    """

    prefix: str
    site: str

    def __post_init__(self) -> None:
        checked("prefix", self.prefix, Prefix)
        checked("site", self.site, Site)

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
    def gate(self) -> str:
        return f"{self.base}/gate"

    @property
    def near_miss(self) -> str:
        return f"{self.base}/near_miss"

    def claim(self, group: str) -> str:
        """Return the topic on which the microphones of a group arbitrate. A group is named as sites are."""
        return f"{self.prefix}/{group}/claim"

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


def switch(keyword: str) -> str:
    """Return the end of the topics that set and report whether a keyword is listened for."""
    return f"keyword/{level(keyword)}"


def level(text: str) -> str:
    """Return a text as one level of a topic: in NFC, with ``_`` for separators, wildcards and what cannot be sent."""
    return re.sub(f"[{_UNSAFE}]", "_", composed(text))


def identifier(text: str) -> str:
    """Return a text as Home Assistant accepts it in a topic or a key: letters, digits, ``_`` and ``-``.

    Texts that lose characters get a checksum, so that no two are alike.
    """
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", text)
    if plain == text:
        return plain
    return f"{plain}_{sha256_of(text.encode('utf-8', 'surrogatepass'))[:8]}"
