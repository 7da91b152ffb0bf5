"""URLs of sound."""

from __future__ import annotations

import re

_SCHEMES = ("rtsp://", "rtsps://", "http://", "https://", "rtmp://", "srt://", "udp://")


def is_url(text: str | None) -> bool:
    """Return True for a URL that ffmpeg reads; False for a path."""
    return text is not None and text.lower().startswith(_SCHEMES)


def without_login(text: str) -> str:
    """Return a text with ``***`` for the user and password of each URL in it."""
    return re.sub(r"(?<=://)[^/@\s]+@", "***@", text)
