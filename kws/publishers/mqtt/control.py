"""The requests that others may send over MQTT."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kws.decision.settings import RANGES
from kws.errors import KwsError
from kws.pipeline.requests import Request, SetListening, SetThreshold
from kws.publishers.mqtt.topics import LISTENING, level

ON, OFF = "ON", "OFF"

#: The longest payload in bytes; no meaningful number is longer.
_LONGEST = 32

#: float() would also accept "nan", "1_0" and the digits of every script.
_NUMBER = re.compile(r"(?=.*[0-9])[0-9]{0,20}\.?[0-9]{0,20}(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)


class ControlError(KwsError):
    """A refused request. The message is one short line and quotes at most the beginning of the request."""


def parse(path: str, payload: bytes, keywords: Iterable[str]) -> Request:
    """Return a request.

    Args:
        path: the topic after ``set/``.
        payload: as received.
        keywords: of the model.

    Raises:
        ControlError: the setting does not exist, or the payload is not a value of it.
    """
    if path == LISTENING:
        text = _text(payload)
        if text not in (ON, OFF):
            raise ControlError(f"{text!r} is neither ON nor OFF")
        return SetListening(text == ON)
    head, separator, name = path.partition("/")
    if head != "threshold" or not separator:
        raise ControlError(f"there is no such setting; set/{LISTENING} and set/threshold/KEYWORD are")
    for keyword in keywords:
        if level(keyword) == level(name):
            return SetThreshold(keyword, _threshold(payload))
    raise ControlError(f"{name[:40]!r} is not a keyword; choose from {', '.join(keywords)}")


def _threshold(payload: bytes) -> float:
    text = _text(payload)
    try:
        value = float(text) if _NUMBER.fullmatch(text) else None
    except ValueError:
        value = None
    if value is None:
        raise ControlError(f"{text!r} is not a number")
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
