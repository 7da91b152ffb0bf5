"""What others may ask for over MQTT, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kws.decision.settings import RANGES
from kws.errors import KwsError
from kws.pipeline.requests import Request, SetListening, SetThreshold
from kws.publishers.mqtt.topics import LISTENING, level

ON, OFF = "ON", "OFF"

#: Bytes in a payload that is looked at; the longest number that means anything is far shorter.
_LONGEST = 32

_NUMBER = re.compile(r"[0-9]{0,20}\.?[0-9]{0,20}(?:[eE][+-]?[0-9]{1,3})?")


class ControlError(KwsError):
    """A request that is refused; nothing has changed."""


def parse(path: str, payload: bytes, keywords: Iterable[str]) -> Request:
    """A request.

    Args:
        path: the topic after ``set/``.
        payload: as it came.
        keywords: of the model.

    Raises:
        ControlError: it asks for what there is not, or is not what it must be; one short line that quotes no more
            than the beginning of what came.
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
        if level(keyword) == name:
            return SetThreshold(keyword, _threshold(payload))
    raise ControlError(f"{name[:40]!r} is not a keyword; choose from {', '.join(keywords)}")


def _threshold(payload: bytes) -> float:
    text = _text(payload)
    # float() would also take "nan", "1_0" and the digits of every script.
    if not _NUMBER.fullmatch(text) or not any(character.isdigit() for character in text):
        raise ControlError(f"{text!r} is not a number")
    try:
        value = float(text)
    except ValueError:
        raise ControlError(f"{text!r} is not a number") from None
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
