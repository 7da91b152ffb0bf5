"""The requests that others may send over MQTT."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kws.decision.settings import RANGES
from kws.errors import KwsError
from kws.pipeline.requests import Request, SetKeyword, SetListening, SetThreshold
from kws.publishers.mqtt import hermes
from kws.publishers.mqtt.topics import LISTENING, Topics, level

ON, OFF = "ON", "OFF"

#: The longest payload in bytes; no meaningful number is longer.
_LONGEST = 32

#: float() would also accept "nan", "1_0" and the digits of every script.
_NUMBER = re.compile(r"(?=\.?[0-9])[0-9]{0,20}\.?[0-9]{0,20}(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)


class ControlError(KwsError):
    """A refused request. The message is one short line and quotes at most the beginning of the request."""


class Requests:
    """The requests that a site takes: on its own topics and, with a Hermes site, Hermes' toggles.

    Attributes:
        filters: to subscribe to.
    """

    def __init__(self, topics: Topics, keywords: Iterable[str], hermes_site: str | None) -> None:
        self._prefix = topics.set("")
        self._keywords = {level(keyword): keyword for keyword in reversed(tuple(keywords))}
        self._hermes_site = hermes_site
        self.filters = [topics.set("#"), *([] if hermes_site is None else hermes.TOGGLES)]

    def read(self, topic: str, payload: bytes, *, retained: bool) -> Request | None:
        """Return the request of a message; None if it is not a request, or one for another site.

        Raises:
            ControlError: the setting does not exist, the payload is not a value of it, or the broker retained the
                request.
        """
        if topic.startswith(self._prefix):
            if retained and not payload:
                return None  # the broker forgets a retained request
            request: Request | None = self._parse(topic.removeprefix(self._prefix), payload)
        elif self._hermes_site is not None and topic in hermes.TOGGLES:
            on = hermes.toggled(topic, payload, site=self._hermes_site)
            request = None if on is None else SetListening(on)
        else:
            return None
        if retained and request is not None:
            raise ControlError("a retained request; it would be obeyed again with each connection")
        return request

    def _parse(self, path: str, payload: bytes) -> Request:
        if path == LISTENING:
            return SetListening(_on(payload))
        head, separator, name = path.partition("/")
        if head not in ("threshold", "keyword") or not separator:
            settings = f"set/{LISTENING}, set/threshold/KEYWORD and set/keyword/KEYWORD"
            raise ControlError(f"there is no such setting; {settings} are")
        keyword = self._keywords.get(level(name))
        if keyword is None:
            choices = ", ".join(reversed(self._keywords.values()))
            raise ControlError(f"{name[:40]!r} is not a keyword; choose from {choices}")
        if head == "keyword":
            return SetKeyword(keyword, _on(payload))
        return SetThreshold(keyword, _threshold(payload))


def _on(payload: bytes) -> bool:
    text = _text(payload)
    if text not in (ON, OFF):
        raise ControlError(f"{text!r} is neither ON nor OFF")
    return text == ON


def _threshold(payload: bytes) -> float:
    text = _text(payload)
    if not _NUMBER.fullmatch(text):
        raise ControlError(f"{text!r} is not a number")
    value = float(text)
    low, high = RANGES["threshold"]
    if not low <= value <= high:
        raise ControlError(f"{value:g} is not within {low:g} to {high:g}")
    return value


def _text(payload: bytes) -> str:
    if len(payload) > _LONGEST:
        raise ControlError(f"a payload of {len(payload)} bytes is no setting")
    try:
        return payload.decode("ascii")
    except UnicodeDecodeError:
        raise ControlError("a binary payload is no setting") from None
