"""The daemon: sources that are listened to for years, the decisions on them, and publishers.

A :class:`~kws.service.listener.Listener` hears one source, in a thread of its own; the
:class:`~kws.service.service.Service` starts, watches, reloads and ends the listeners.
"""
