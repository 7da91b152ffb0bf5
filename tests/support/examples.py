"""The number of examples that hypothesis tries."""

from __future__ import annotations

from hypothesis import settings

#: Examples of a test that names no number, in all tests and in the quick ones.
ALL, QUICK = 100, 10


def examples(most: int) -> settings:
    """Return settings for so many examples, of which the quick tests try a tenth, but five at least."""
    assert settings.default
    return settings(max_examples=min(most, max(5, most * settings.default.max_examples // ALL)))
