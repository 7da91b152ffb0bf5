"""The decision layer: from the posteriors of window after window to keywords that fire, once each time they are said.

A :class:`Decider` goes by :class:`DecisionSettings`, which :func:`resolve` makes of what the built-in defaults, a
model, a configuration and a command line say. ``docs/decision.md`` tells what each setting does.
"""

from kws.decision.decider import Decider
from kws.decision.options import DecisionOptions, GateOptions, KeywordOptions, Options, read_options, resolve
from kws.decision.recommended import recommended
from kws.decision.settings import DecisionSettings, GateSettings, KeywordSettings
from kws.decision.smoothing import smooth
from kws.decision.stretch import Stretch
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
    "Stretch",
    "read_options",
    "recommended",
    "resolve",
    "smooth",
]
