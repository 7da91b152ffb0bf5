"""The daemon: sources that are listened to for years, the decisions on them, and publishers.

A :class:`Listener` hears one source, in a thread of its own; the :class:`Service` starts, watches, reloads and ends the
listeners. An :class:`Observer` receives their events.
"""

from kws.service.counters import Counters
from kws.service.listener import Listener
from kws.service.observer import Observer, Observers
from kws.service.service import Place, Plan, Service
from kws.service.setup import Inbox, Setup

__all__ = ["Counters", "Inbox", "Listener", "Observer", "Observers", "Place", "Plan", "Service", "Setup"]
