"""Recordings of what was heard, for those who ask for them."""

from kws.clips.settings import ClipsOptions

__all__ = ["ClipsOptions"]
