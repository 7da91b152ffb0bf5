"""The number of examples that hypothesis tries."""

from __future__ import annotations

from hypothesis import settings

#: Examples of a test that names no number, in all tests and in the quick ones.
ALL, QUICK = 100, 20


def examples(most: int) -> settings:
    """Return settings for so many examples, of which the quick tests try a fifth."""
    assert settings.default
    return settings(max_examples=most * settings.default.max_examples // ALL)
