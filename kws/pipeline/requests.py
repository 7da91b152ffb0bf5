"""Requests that change what a running pipeline does; they may come from any thread, over MQTT or from a page."""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class SetListening(msgspec.Struct, frozen=True):
    """Listen, or close the microphone."""

    on: bool


class SetThreshold(msgspec.Struct, frozen=True):
    """Give a keyword another threshold, in [0, 1]."""

    keyword: str
    threshold: float


class SetKeyword(msgspec.Struct, frozen=True):
    """Switch a keyword on or off."""

    keyword: str
    on: bool


Request: TypeAlias = SetListening | SetThreshold | SetKeyword
