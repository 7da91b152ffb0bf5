"""``kws run``: sources that are heard, the decisions on them, and publishers, for years.

A :class:`Listener` hears one source, in a thread of its own; the :class:`Service` starts them, tells their health,
reloads and ends them. An :class:`Observer` is told what happens.
"""

from kws.service.counters import Counters
from kws.service.listener import Listener
from kws.service.observer import Observer, Observers
from kws.service.service import Place, Plan, Service
from kws.service.setup import Inbox, Setup

__all__ = ["Counters", "Inbox", "Listener", "Observer", "Observers", "Place", "Plan", "Service", "Setup"]
