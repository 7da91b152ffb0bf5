"""The gate: commands count only for some seconds after a wake word."""

from __future__ import annotations

from kws.decision.settings import GateSettings


class Gate:
    """Opened by a wake word, kept open by commands if so set, closed by time in samples."""

    def __init__(self, settings: GateSettings, sample_rate: int) -> None:
        self._wake_words = settings.wake_words
        self._samples = round(settings.seconds * sample_rate)
        self._extend = settings.extend
        self.reset()

    def reset(self) -> None:
        """Close the gate."""
        self._opener: str | None = None
        self._closes = 0

    def guards(self, keyword: str) -> bool:
        """Return True for a command, which needs an open gate, and False for a wake word."""
        return keyword not in self._wake_words

    def opener(self, end: int) -> str | None:
        """Return the wake word that holds the gate open at a position; None if it is closed."""
        return self._opener if end <= self._closes else None

    def fired(self, keyword: str, end: int) -> None:
        """Open the gate for a wake word that fired; a command may keep it open for longer."""
        if not self.guards(keyword):
            self._opener = keyword
            self._closes = end + self._samples
        elif self._extend:
            self._closes = end + self._samples
