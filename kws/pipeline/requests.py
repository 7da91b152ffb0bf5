"""Requests that change what a running pipeline does; they may come from any thread, over MQTT or from a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class SetListening:
    """Listen, or close the microphone."""

    on: bool


@dataclass(frozen=True, slots=True)
class SetThreshold:
    """Give a keyword another threshold, in [0, 1]."""

    keyword: str
    threshold: float


@dataclass(frozen=True, slots=True)
class SetKeyword:
    """Switch a keyword on or off."""

    keyword: str
    on: bool


Request: TypeAlias = SetListening | SetThreshold | SetKeyword
