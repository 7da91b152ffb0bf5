"""Recordings of what was heard, for those who ask for them."""

from kws.config.clips import ClipsOptions

__all__ = ["ClipsOptions"]
