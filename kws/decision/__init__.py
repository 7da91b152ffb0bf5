"""The decision layer: from the posteriors of each window to keywords that fire once each time they are spoken.

A :class:`Decider` works by :class:`DecisionSettings`, which :func:`resolve` derives from the built-in defaults, a
model, a configuration and the flags. ``docs/decision.md`` explains each setting.
"""

from kws.decision.decider import Decider
from kws.decision.options import DecisionOptions, GateOptions, KeywordOptions, Options, read_options, resolve
from kws.decision.recommended import recommended
from kws.decision.settings import DecisionSettings, GateSettings, KeywordSettings
from kws.decision.values import NOTHING, Decision, Fired, NearMiss, Reason

__all__ = [
    "NOTHING",
    "Decider",
    "Decision",
    "DecisionOptions",
    "DecisionSettings",
    "Fired",
    "GateOptions",
    "GateSettings",
    "KeywordOptions",
    "KeywordSettings",
    "NearMiss",
    "Options",
    "Reason",
    "read_options",
    "recommended",
    "resolve",
]
